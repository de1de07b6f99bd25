//! Tables and properties of the layout.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::layout::*;

fn boxed(key: &str, cells: u32) -> BoxIn {
    BoxIn {
        key: key.to_owned(),
        tier: None,
        cells,
        position: None,
        is_pinned: false,
    }
}

fn arc(from: &str, to: &str) -> ArcIn {
    ArcIn {
        from: from.to_owned(),
        to: to.to_owned(),
    }
}

fn find<'l>(map: &'l Layout, key: &str) -> &'l BoxOut {
    map.boxes.iter().find(|b| b.key == key).unwrap()
}

fn corners(map: &Layout) -> BTreeMap<String, Position> {
    map.boxes
        .iter()
        .map(|b| (b.key.clone(), Position { x: b.x, y: b.y }))
        .collect()
}

/// The same boxes where a map had put them.
fn kept(boxes: &[BoxIn], map: &Layout) -> Vec<BoxIn> {
    let corners = corners(map);
    boxes
        .iter()
        .map(|b| BoxIn {
            position: corners.get(&b.key).copied(),
            ..b.clone()
        })
        .collect()
}

#[test]
fn a_chain_stands_in_a_row() {
    let boxes = [boxed("app", 14), boxed("db", 4), boxed("edge", 2)];
    let map = layout(&boxes, &[arc("edge", "app"), arc("app", "db")]);
    let (edge, app, db) = (find(&map, "edge"), find(&map, "app"), find(&map, "db"));
    assert!(edge.x + edge.width < app.x && app.x + app.width < db.x);
    let middle = |b: &BoxOut| b.y + b.height / 2;
    assert_eq!(middle(edge), middle(app));
    assert_eq!(middle(app), middle(db));
    assert!(map.arcs.iter().all(|arc| !arc.is_back));
    let curve = &map.arcs[0].curve;
    let (start, end) = (curve[0], curve[curve.len() - 1]);
    assert_eq!((start.x, start.y), (app.x + app.width, middle(app)));
    assert_eq!((end.x, end.y), (db.x, middle(db)));
    assert_eq!(curve.len(), 4, "a line");
}

#[test]
fn of_a_cycle_the_edge_against_the_tiers_goes_back() {
    let tier = |key: &str, tier: u8| BoxIn {
        tier: Some(tier),
        ..boxed(key, 1)
    };
    let boxes = [tier("a-db", 4), tier("b-app", 2), tier("c-web", 1)];
    let arcs = [
        arc("a-db", "c-web"),
        arc("b-app", "a-db"),
        arc("c-web", "b-app"),
    ];
    let map = layout(&boxes, &arcs);
    let back: Vec<_> = map.arcs.iter().filter(|arc| arc.is_back).collect();
    assert_eq!(back.len(), 1);
    assert_eq!(
        (back[0].from.as_str(), back[0].to.as_str()),
        ("a-db", "c-web")
    );
}

#[test]
fn two_pairs_do_not_cross() {
    let boxes = [boxed("a", 1), boxed("b", 1), boxed("x", 1), boxed("y", 1)];
    let map = layout(&boxes, &[arc("a", "y"), arc("b", "x")]);
    let above = |one: &str, other: &str| find(&map, one).y < find(&map, other).y;
    assert_eq!(above("a", "b"), above("y", "x"));
}

#[test]
fn without_edges_there_is_a_grid() {
    let boxes: Vec<BoxIn> = (0..20).map(|n| boxed(&format!("c{n:02}"), 30)).collect();
    let map = layout(&boxes, &[]);
    assert!(map.width < 1_400, "{}", map.width);
    assert!(map.height < 900, "{}", map.height);
    assert_eq!(find(&map, "c00").y, find(&map, "c01").y);
}

#[test]
fn cells_are_inside_of_their_box_and_apart() {
    for cells in [0, 1, 7, 8, 14, 100, 1_000, 5_000] {
        let map = layout(&[boxed("a", cells)], &[]);
        let b = find(&map, "a");
        let mut before = std::collections::BTreeSet::new();
        for index in 0..cells {
            let at = b.cell(index);
            assert!(at.x >= b.x && at.x + CELL <= b.x + b.width, "{cells}");
            assert!(
                at.y >= b.y + HEADER && at.y + CELL <= b.y + b.height,
                "{cells}"
            );
            assert!(before.insert((at.x, at.y)));
        }
    }
}

#[test]
fn a_new_box_stands_beside_its_neighbours_and_moves_nobody() {
    let boxes = [boxed("app", 14), boxed("db", 4), boxed("edge", 2)];
    let arcs = [arc("edge", "app"), arc("app", "db")];
    let before = layout(&boxes, &arcs);
    let mut more = kept(&boxes, &before);
    more.push(boxed("mq", 3));
    more.push(boxed("lonely", 1));
    let after = layout(
        &more,
        &[arc("edge", "app"), arc("app", "db"), arc("app", "mq")],
    );
    for key in ["app", "db", "edge"] {
        assert_eq!(corners(&after)[key], corners(&before)[key]);
    }
    assert_eq!(
        find(&after, "mq").x,
        find(&after, "db").x,
        "in the layer of its kind"
    );
    assert!(find(&after, "lonely").y > find(&after, "db").y);
}

#[test]
fn boxes_without_edges_keep_their_places_until_there_is_a_map() {
    let boxes: Vec<BoxIn> = ["b", "d", "f"].map(|key| boxed(key, 3)).to_vec();
    let before = layout(&boxes, &[]);
    let mut more = kept(&boxes, &before);
    more.push(boxed("a", 3));
    let after = layout(&more, &[]);
    for key in ["b", "d", "f"] {
        assert_eq!(corners(&after)[key], corners(&before)[key]);
    }
    assert_eq!(find(&after, "a").y, find(&after, "f").y, "behind the last");
    // The first edge: of its ends no place is known that would mean anything, and the others make way.
    for b in &mut more {
        if b.key == "b" || b.key == "d" {
            b.position = None;
        }
    }
    let mapped = layout(&more, &[arc("d", "b")]);
    assert!(mapped.is_anew && !after.is_anew);
    assert!(find(&mapped, "d").x < find(&mapped, "b").x);
    assert!(find(&mapped, "f").y > find(&mapped, "d").y);
}

#[test]
fn a_pin_holds_in_a_map_that_is_laid_out_for_the_first_time() {
    let mut boxes = [boxed("a", 1), boxed("b", 1), boxed("c", 1)];
    boxes[1].position = Some(Position { x: 700, y: 300 });
    boxes[1].is_pinned = true;
    let map = layout(&boxes, &[arc("a", "b"), arc("b", "c")]);
    assert_eq!(corners(&map)["b"], Position { x: 700, y: 300 });
    assert!(find(&map, "a").x < 700 && find(&map, "c").x > 700);
}

#[test]
fn a_box_that_grew_pushes_only_what_it_meets() {
    let boxes = [boxed("a", 1), boxed("b", 1), boxed("far", 1), boxed("x", 1)];
    let arcs = [arc("x", "a"), arc("x", "b"), arc("b", "far")];
    let before = layout(&boxes, &arcs);
    let mut grown = kept(&boxes, &before);
    let upper = if find(&before, "a").y < find(&before, "b").y {
        0
    } else {
        1
    };
    grown[upper].cells = 60;
    let after = layout(&grown, &arcs);
    assert_eq!(corners(&after)["x"], corners(&before)["x"]);
    let lower = ["b", "a"][upper];
    assert!(find(&after, lower).y > find(&before, lower).y);
}

fn any_map() -> impl Strategy<Value = (Vec<BoxIn>, Vec<ArcIn>)> {
    (1_usize..14).prop_flat_map(|count| {
        let boxes = prop::collection::vec((0_u32..60, prop::option::of(0_u8..6)), count);
        let arcs = prop::collection::vec((0..count, 0..count), 0..count * 2);
        (boxes, arcs).prop_map(|(boxes, arcs)| {
            let name = |n: usize| format!("c{n}");
            let boxes = boxes
                .into_iter()
                .enumerate()
                .map(|(n, (cells, tier))| BoxIn {
                    tier,
                    ..boxed(&name(n), cells)
                })
                .collect();
            let arcs = arcs
                .into_iter()
                .map(|(a, b)| arc(&name(a), &name(b)))
                .collect();
            (boxes, arcs)
        })
    })
}

fn overlap(map: &Layout) -> Option<(String, String)> {
    for (i, a) in map.boxes.iter().enumerate() {
        for b in map.boxes.iter().skip(i + 1) {
            let apart = a.x + a.width <= b.x
                || b.x + b.width <= a.x
                || a.y + a.height <= b.y
                || b.y + b.height <= a.y;
            if !apart {
                return Some((a.key.clone(), b.key.clone()));
            }
        }
    }
    None
}

/// Points of an edge, close together.
fn points(arc: &ArcOut) -> Vec<(f64, f64)> {
    let at = |p: &Position| (f64::from(p.x), f64::from(p.y));
    let mut points = vec![at(&arc.curve[0])];
    for part in arc.curve[1..].chunks(3) {
        let (a, [b, c, d]) = (
            *points.last().unwrap(),
            [at(&part[0]), at(&part[1]), at(&part[2])],
        );
        for step in 1..=64 {
            let t = f64::from(step) / 64.0;
            let u = 1.0 - t;
            let on = |a: f64, b: f64, c: f64, d: f64| {
                u * u * u * a + 3.0 * u * u * t * b + 3.0 * u * t * t * c + t * t * t * d
            };
            points.push((on(a.0, b.0, c.0, d.0), on(a.1, b.1, c.1, d.1)));
        }
    }
    points
}

/// An edge that comes into a box, or nearer than it may to one that is not its own.
fn hit(map: &Layout) -> Option<String> {
    for arc in &map.arcs {
        for (x, y) in points(arc) {
            for b in &map.boxes {
                let clear = if b.key == arc.from || b.key == arc.to {
                    -0.5
                } else {
                    7.0
                };
                let inside = x > f64::from(b.x) - clear
                    && x < f64::from(b.x + b.width) + clear
                    && y > f64::from(b.y) - clear
                    && y < f64::from(b.y + b.height) + clear;
                if inside {
                    return Some(format!("{} → {} at {x},{y} hits {b:?}", arc.from, arc.to));
                }
            }
        }
    }
    None
}

/// Words that lie on a box or on others, where every edge wants some.
fn covered(map: &Layout, width: i32) -> Option<String> {
    let wanted: Vec<(usize, i32)> = (0..map.arcs.len()).map(|arc| (arc, width)).collect();
    let placed = labels(map, &wanted);
    let plates: Vec<[i32; 4]> = placed
        .iter()
        .flatten()
        .map(|at| {
            [
                at.x - width / 2,
                at.y - LABEL_HEIGHT / 2,
                at.x + width / 2,
                at.y + LABEL_HEIGHT / 2,
            ]
        })
        .collect();
    let apart =
        |a: &[i32; 4], b: &[i32; 4]| a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
    for (number, plate) in plates.iter().enumerate() {
        for b in &map.boxes {
            if !apart(plate, &[b.x, b.y, b.x + b.width, b.y + b.height]) {
                return Some(format!("{plate:?} covers {b:?}"));
            }
        }
        if plates[..number].iter().any(|other| !apart(plate, other)) {
            return Some(format!("{plate:?} covers another"));
        }
    }
    None
}

#[test]
fn an_edge_that_passes_a_layer_goes_around_what_stands_there() {
    let boxes = [boxed("a", 4), boxed("b", 200), boxed("c", 4)];
    let map = layout(&boxes, &[arc("a", "b"), arc("b", "c"), arc("a", "c")]);
    assert_eq!(hit(&map), None);
    let long = map
        .arcs
        .iter()
        .find(|one| one.from == "a" && one.to == "c")
        .unwrap();
    let b = find(&map, "b");
    assert!(
        points(long)
            .iter()
            .any(|(_, y)| *y < f64::from(b.y) || *y > f64::from(b.y + b.height))
    );
}

#[test]
fn words_have_the_middle_of_their_edge_or_no_place() {
    let boxes = [boxed("a", 4), boxed("b", 4)];
    let map = layout(&boxes, &[arc("a", "b")]);
    let at = labels(&map, &[(0, 40), (0, 40), (0, 400), (7, 10)]);
    let middle = halfway(&map.arcs[0].curve).unwrap();
    assert!(at[0].unwrap().x.abs_diff(middle.x) <= 8);
    assert_eq!(at[1..], [None, None, None], "taken, too wide, no such edge");
}

proptest! {
    #[test]
    fn no_edge_comes_near_a_box_that_is_not_its_own((boxes, arcs) in any_map()) {
        let map = layout(&boxes, &arcs);
        let pairs: std::collections::BTreeSet<_> = arcs.iter().filter(|a| a.from != a.to).map(|a| (&a.from, &a.to)).collect();
        prop_assert_eq!(map.arcs.len(), pairs.len());
        prop_assert_eq!(hit(&map), None);
        // As it is drawn from then on.
        prop_assert_eq!(hit(&layout(&kept(&boxes, &map), &arcs)), None);
        prop_assert_eq!(covered(&map, 90), None);
    }

    #[test]
    fn wherever_boxes_stand_edges_go_around_them((boxes, arcs) in any_map(), at in prop::collection::vec((-500_i32..500, -500_i32..500), 14)) {
        let placed: Vec<BoxIn> = boxes.into_iter().zip(at).map(|(b, (x, y))| BoxIn {
            position: (x % 3 != 0).then_some(Position { x, y }), ..b
        }).collect();
        let map = layout(&placed, &arcs);
        let pairs: std::collections::BTreeSet<_> = arcs.iter().filter(|a| a.from != a.to).map(|a| (&a.from, &a.to)).collect();
        prop_assert_eq!(map.arcs.len(), pairs.len());
        prop_assert_eq!(hit(&map), None);
        prop_assert_eq!(covered(&map, 60), None);
    }

    #[test]
    fn no_boxes_overlap_and_all_is_inside((boxes, arcs) in any_map()) {
        let map = layout(&boxes, &arcs);
        prop_assert_eq!(overlap(&map), None);
        prop_assert_eq!(map.boxes.len(), boxes.len());
        for b in &map.boxes {
            prop_assert!(b.x >= map.left && b.x + b.width <= map.left + map.width);
            prop_assert!(b.y >= map.top && b.y + b.height <= map.top + map.height);
        }
    }

    #[test]
    fn the_same_input_in_any_order_gives_the_same_bytes((mut boxes, mut arcs) in any_map()) {
        let first = format!("{:?}", layout(&boxes, &arcs));
        boxes.reverse();
        arcs.reverse();
        prop_assert_eq!(first, format!("{:?}", layout(&boxes, &arcs)));
    }

    #[test]
    fn edges_go_forward_where_there_is_no_cycle((boxes, arcs) in any_map()) {
        // Along the numbers there can be no cycle.
        let forward: Vec<ArcIn> = arcs.into_iter().map(|one| {
            let number = |key: &str| key[1..].parse::<u32>().unwrap();
            if number(&one.from) <= number(&one.to) { one } else { ArcIn { from: one.to, to: one.from } }
        }).collect();
        let map = layout(&boxes, &forward);
        for one in &map.arcs {
            prop_assert!(!one.is_back, "{one:?}");
            prop_assert!(one.curve[0].x < one.curve[one.curve.len() - 1].x);
        }
    }

    #[test]
    fn every_edge_is_forward_or_marked((boxes, arcs) in any_map()) {
        let map = layout(&boxes, &arcs);
        for one in &map.arcs {
            let (from, to) = (find(&map, &one.from), find(&map, &one.to));
            prop_assert_eq!(one.is_back, to.x < from.x + from.width);
        }
    }

    #[test]
    fn what_stands_stays_when_boxes_come_and_go((boxes, arcs) in any_map(), leaves in any::<prop::sample::Index>(), talks in any::<prop::sample::Index>()) {
        let before = layout(&boxes, &arcs);
        let stored = kept(&boxes, &before);
        prop_assert_eq!(&corners(&layout(&stored, &arcs)), &corners(&before));
        // One goes.
        let mut fewer = stored.clone();
        fewer.remove(leaves.index(fewer.len()));
        let without = corners(&layout(&fewer, &arcs));
        for (key, at) in &without {
            prop_assert_eq!(at, &corners(&before)[key]);
        }
        // One comes.
        let mut more = stored;
        let mut talking = arcs.clone();
        talking.push(arc(&boxes[talks.index(boxes.len())].key, "new"));
        talking.push(arc("new", &boxes[leaves.index(boxes.len())].key));
        more.push(boxed("new", 20));
        let with = layout(&more, &talking);
        prop_assert_eq!(overlap(&with), None);
        for (key, at) in corners(&before) {
            prop_assert_eq!(corners(&with)[&key], at);
        }
    }

    #[test]
    fn stored_positions_of_any_kind_never_overlap((boxes, arcs) in any_map(), at in prop::collection::vec((-500_i32..500, -500_i32..500), 14)) {
        let placed: Vec<BoxIn> = boxes.into_iter().zip(at).map(|(b, (x, y))| BoxIn {
            position: (x % 3 != 0).then_some(Position { x, y }), ..b
        }).collect();
        prop_assert_eq!(overlap(&layout(&placed, &arcs)), None);
    }
}
