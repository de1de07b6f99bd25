//! Bounds and sums of the map.

use std::sync::Arc;

use super::*;

use app::fleet::view::{Headline, NodeRow};
use app::topology::view::{BoxKind, Color, Group, Reach};
use domain::fleet::Liveness;
use domain::fleet::MinAvailable;
use domain::topology::{Edge, EdgeState, End, LinkKey, Peer, Side};

fn node(no: i64, system: &str, cluster: &str, status: Status) -> NodeAt {
    NodeAt {
        host_no: no,
        server: None,
        since_ms: 0,
        row: NodeRow {
            id: format!("n{no}"),
            name: format!("host-{no:05}"),
            hostname: String::new(),
            kind: "host".to_owned(),
            system: system.to_owned(),
            cluster: cluster.to_owned(),
            role: None,
            product: None,
            version: None,
            sub_domain: None,
            host_name: String::new(),
            address: None,
            console_url: None,
            tags: BTreeMap::new(),
            counts: true,
            status,
            liveness: Liveness::Live,
            reason: None,
            last_report_at_ms: None,
            since_ms: None,
            interval_s: 10,
            now: Headline::default(),
        },
    }
}

/// `size` nodes in each of `clusters`; every `bad`-th is critical.
fn fleet(clusters: i64, size: i64, systems: i64, bad: i64) -> Vec<NodeAt> {
    (0..clusters * size)
        .map(|no| {
            let cluster = no / size;
            let status = if no % bad == 0 {
                Status::Critical
            } else {
                Status::Ok
            };
            node(
                no,
                &format!("s{}", cluster % systems),
                &format!("c{cluster:03}"),
                status,
            )
        })
        .collect()
}

fn edge(from: i64, to: i64, connections: u32, failing: u32) -> Edge {
    let end = |host_no| {
        Side::Fleet(End {
            host_no,
            server: None,
            process: None,
        })
    };
    Edge {
        key: LinkKey {
            from: end(from),
            to: end(to),
            port: 80,
        },
        state: EdgeState::Seen,
        first_seen_at_ms: Some(0),
        last_seen_at_ms: Some(0),
        connections,
        failing,
        bytes_per_s: None,
    }
}

fn known(edges: Vec<Edge>) -> Known {
    Known {
        edges: Arc::new(
            edges
                .into_iter()
                .map(|edge| (edge.key.clone(), edge))
                .collect(),
        ),
        ..Known::default()
    }
}

fn draw(nodes: Vec<NodeAt>, known: &Known, query: &TopologyQuery) -> TopologyPage {
    draw_said(nodes, BTreeMap::new(), known, query)
}

fn draw_said(
    nodes: Vec<NodeAt>,
    said: BTreeMap<String, Said>,
    known: &Known,
    query: &TopologyQuery,
) -> TopologyPage {
    let fleet = Fleet {
        nodes,
        said,
        now_ms: 0,
    };
    super::draw(fleet, known, query)
}

fn asked(change: impl FnOnce(&mut TopologyQuery)) -> TopologyQuery {
    let mut query = TopologyQuery::default();
    change(&mut query);
    query
}

fn elements(page: &TopologyPage) -> usize {
    let cells: usize = page.boxes.iter().map(|one| one.cells.len()).sum();
    cells * CELL_ELEMENTS + page.boxes.len() * BOX_ELEMENTS + page.edges.len() * EDGE_ELEMENTS
}

#[test]
fn a_thousand_nodes_are_all_drawn_and_five_thousand_only_where_something_is_wrong() {
    let thousand = draw(fleet(40, 25, 1, 50), &known(Vec::new()), &asked(|_| ()));
    assert_eq!(
        thousand
            .boxes
            .iter()
            .map(|one| one.cells.len())
            .sum::<usize>(),
        1_000
    );
    assert!(
        elements(&thousand) <= ELEMENTS_MAX,
        "{}",
        elements(&thousand)
    );
    assert!(thousand.notes.is_empty());

    let many = draw(fleet(50, 100, 1, 50), &known(Vec::new()), &asked(|_| ()));
    assert_eq!(
        many.boxes.iter().map(|one| one.cells.len()).sum::<usize>(),
        100
    );
    assert_eq!(many.boxes[0].more.as_deref(), Some("98 OK"));
    assert_eq!(many.counts.total(), 5_000);
    assert_eq!(many.notes.len(), 1);

    let all_red = draw(fleet(50, 100, 1, 1), &known(Vec::new()), &asked(|_| ()));
    assert!(elements(&all_red) <= ELEMENTS_MAX, "{}", elements(&all_red));
    assert_eq!(all_red.boxes[0].more.as_deref(), Some("84 more"));
}

#[test]
fn very_many_clusters_are_drawn_as_their_systems_until_one_is_chosen() {
    let nodes = fleet(200, 2, 4, 50);
    // c000 (s0) calls c001 (s1).
    let edges = known(vec![edge(0, 2, 5, 0)]);
    let grouped = draw(nodes.clone(), &edges, &asked(|_| ()));
    assert_eq!(grouped.boxes.len(), 4);
    assert_eq!(grouped.edges.len(), 1);
    assert!(
        grouped
            .boxes
            .iter()
            .all(|one| one.kind == BoxKind::Group && one.total == 100)
    );
    assert_eq!(grouped.notes.len(), 1);
    let one = draw(
        nodes.clone(),
        &edges,
        &asked(|query| query.system = "s1".into()),
    );
    assert_eq!(one.boxes.len(), 50);
    // One system only: the worst and those that talk.
    let single = draw(
        fleet(200, 2, 1, 50),
        &known(vec![edge(398, 396, 5, 0)]),
        &asked(|_| ()),
    );
    assert_eq!(single.boxes.len(), BOXES_DRAWN_MAX);
    assert!(single.boxes.iter().any(|one| one.key == "c199"), "it talks");
    assert_eq!(
        single
            .boxes
            .iter()
            .filter(|one| one.status == Status::Critical)
            .count(),
        8
    );
}

#[test]
fn small_edges_are_hidden_above_eighty_but_never_those_that_fail() {
    let mut edges = vec![edge(0, 1, 100_000, 0)];
    edges.extend((2..90).map(|to| edge(0, to, 1, 0)));
    edges.push(edge(0, 90, 1, 1));
    let page = draw(fleet(100, 1, 1, 1_000), &known(edges), &asked(|_| ()));
    let drawn: Vec<&str> = page.edges.iter().map(|edge| edge.to.as_str()).collect();
    assert_eq!(drawn, ["c001", "c090"], "and faults are drawn last");
    assert_eq!(
        page.notes,
        ["88 edges with less than 1 % of all connections are hidden."]
    );
}

#[test]
fn widths_are_rates_where_any_is_known_and_what_flows_much_is_not_hidden() {
    let flowing = |to, connections, bytes_per_s| Edge {
        bytes_per_s: Some(bytes_per_s),
        ..edge(0, to, connections, 0)
    };
    let mut edges = vec![edge(0, 1, 100_000, 0), flowing(2, 1, 10_000_000)];
    let drawn = |edges: &[Edge], change: fn(&mut TopologyQuery)| {
        draw(
            fleet(100, 1, 1, 1_000),
            &known(edges.to_vec()),
            &asked(change),
        )
    };
    let steps = |page: &TopologyPage| -> Vec<(String, u8)> {
        let edges = page.edges.iter();
        edges
            .map(|edge| (edge.to.clone(), edge.width_step))
            .collect()
    };
    let page = drawn(&edges[..1], |_| ());
    assert!(!page.is_width_rate);
    assert_eq!(steps(&page), [("c001".to_owned(), 5)]);
    let page = drawn(&edges, |_| ());
    assert!(page.is_width_rate);
    let wanted = [("c001".to_owned(), 1), ("c002".to_owned(), 4)];
    assert_eq!(steps(&page), wanted, "not known is thin");
    assert_eq!(page.edges[1].short, "80 · 1 · 80.0\u{202F}Mbit/s");
    let past = drawn(&edges, |query| query.at_ms = Some(0));
    assert!(!past.is_width_rate);
    let table = drawn(&edges, |query| query.view = View::Table);
    let rates: Vec<_> = table.edge_rows.iter().map(|row| row.bytes_per_s).collect();
    assert_eq!(rates, [None, Some(10_000_000)]);
    edges.extend((3..90).map(|to| flowing(to, 1, 1)));
    let page = drawn(&edges, |_| ());
    assert_eq!(steps(&page), wanted);
    assert_eq!(
        page.notes,
        ["87 edges with less than 1 % of all connections and traffic are hidden."]
    );
}

#[test]
fn a_focus_dims_what_is_farther_away_and_knows_what_depends_on_it() {
    // c000 > c001 > c002 > c003, c004 apart.
    let edges = || known(vec![edge(0, 1, 1, 0), edge(1, 2, 1, 0), edge(2, 3, 1, 0)]);
    let lit = |change: fn(&mut TopologyQuery)| -> Vec<String> {
        let page = draw(fleet(5, 1, 1, 100), &edges(), &asked(change));
        let lit = page.boxes.iter().filter(|one| !one.is_dimmed);
        lit.map(|one| one.key.clone()).collect()
    };
    assert_eq!(
        lit(|query| query.focus = "c002".into()),
        ["c001", "c002", "c003"]
    );
    assert_eq!(
        lit(|query| {
            query.focus = "c002".into();
            query.depth = 3;
            query.reach = Reach::Callers;
        }),
        ["c000", "c001", "c002"]
    );
    assert_eq!(lit(|query| query.find = "host-00003".into()), ["c003"]);
    let page = draw(
        fleet(5, 1, 1, 100),
        &edges(),
        &asked(|query| query.focus = "c003".into()),
    );
    let labels: Vec<(&str, bool)> = page
        .edges
        .iter()
        .map(|edge| (edge.short.as_str(), edge.is_selected))
        .collect();
    assert_eq!(
        labels,
        [("80 · 1", false), ("80 · 1", false), ("80 · 1", true)]
    );
    let panel = page.focus.unwrap();
    assert_eq!(panel.dependants, 3);
    assert_eq!(panel.used_by[0].words, "port 80 · 1 connection");
    assert!(panel.depends_on.is_empty());
}

#[test]
fn only_problems_keeps_them_and_whom_they_talk_to() {
    let mut nodes = fleet(6, 1, 1, 100);
    nodes[0].row.status = Status::Ok;
    nodes[2].row.status = Status::Warning;
    // c001 > c002 (warning); c003 > c004 fails; c000 and c005 have nothing.
    let edges = known(vec![edge(1, 2, 10, 0), edge(3, 4, 10, 5)]);
    let page = draw(nodes, &edges, &asked(|query| query.only_problems = true));
    let mut keys: Vec<&str> = page.boxes.iter().map(|one| one.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["c001", "c002", "c003", "c004"]);
    assert_eq!(page.notes, ["2 clusters without problems are not shown."]);
}

#[test]
fn a_box_says_what_its_nodes_add_up_to_and_not_just_the_worst_of_them() {
    let mut nodes = fleet(2, 4, 1, 100);
    for node in &mut nodes {
        node.row.status = Status::Ok;
    }
    nodes[0].row.status = Status::Critical;
    nodes[4].row.status = Status::Maintenance;
    let said = |minimum| {
        let said = Said {
            min_available: Some(MinAvailable::Nodes(minimum)),
            ..Said::default()
        };
        BTreeMap::from([("c000".to_owned(), said)])
    };
    let told = |said| -> Vec<(Status, u32, String)> {
        let page = draw_said(nodes.clone(), said, &known(Vec::new()), &asked(|_| ()));
        let boxes = page.boxes.iter();
        boxes
            .map(|one| (one.status, one.problems, one.summary.clone()))
            .collect()
    };
    assert_eq!(told(BTreeMap::new())[0].0, Status::Critical);
    assert_eq!(
        told(BTreeMap::new())[1].0,
        Status::Ok,
        "planned work is masked"
    );
    assert_eq!(
        told(said(3))[0],
        (
            Status::Warning,
            1,
            "1 critical of 4 · min 3 available: OK (3)".to_owned()
        )
    );
    assert_eq!(told(said(4))[0].0, Status::Critical);
    let problems = draw_said(
        nodes.clone(),
        said(3),
        &known(Vec::new()),
        &asked(|query| query.only_problems = true),
    );
    assert_eq!(problems.boxes.len(), 1);
}

#[test]
fn clusters_are_grouped_by_what_is_asked_for_and_one_group_can_be_entered() {
    let mut nodes = fleet(4, 2, 1, 100);
    for node in &mut nodes {
        let region = if node.host_no < 6 { "eu" } else { "us" };
        node.row.tags.insert("region".into(), region.into());
    }
    // A node that says otherwise is outvoted by none, and the first value by name decides.
    nodes[7].row.tags.insert("region".into(), "eu".into());
    let edges = known(vec![edge(0, 2, 5, 0), edge(0, 4, 7, 7)]);
    let by_region = asked(|query| query.group = Group::Tag("region".into()));
    let page = draw(nodes.clone(), &edges, &by_region);
    assert_eq!(page.boxes.len(), 1, "{:?}", page.boxes);
    nodes[7].row.tags.insert("region".into(), "us".into());
    let page = draw(nodes.clone(), &edges, &by_region);
    let keys: Vec<&str> = page.boxes.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["eu", "us"]);
    assert_eq!(page.tags, ["region"]);
    assert_eq!((page.boxes[0].total, page.boxes[1].total), (6, 2));
    assert!(page.edges.is_empty(), "all of them are inside one group");

    let entered = asked(|query| {
        query.group = Group::Tag("region".into());
        query.within = "us".into();
    });
    let page = draw(nodes.clone(), &edges, &entered);
    let keys: Vec<&str> = page.boxes.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["c003"]);
    let nowhere = asked(|query| {
        query.group = Group::Environment;
        query.within = "prod".into();
    });
    let page = draw(nodes, &edges, &nowhere);
    assert_eq!(
        page.notes,
        [
            "There is no environment “prod”; all clusters are shown.",
            "4 clusters are drawn by environment; choose one to see its clusters."
        ]
    );
}

#[test]
fn one_system_with_very_many_clusters_is_drawn_by_place() {
    let mut nodes = fleet(100, 1, 1, 1_000);
    for node in &mut nodes {
        let zone = format!("z{}", node.host_no % 3);
        node.row.tags.insert("zone".into(), zone);
    }
    let page = draw(nodes, &known(Vec::new()), &asked(|_| ()));
    let totals: Vec<u32> = page.boxes.iter().map(|one| one.total).collect();
    assert_eq!(totals, [34, 33, 33]);
    assert_eq!(page.query.group, Group::Tag("zone".into()));
}

#[test]
fn cells_have_the_colour_of_their_value_and_none_where_it_is_old() {
    let mut nodes = fleet(1, 3, 1, 100);
    for (node, cpu) in nodes.iter_mut().zip([0.05, 0.95, 0.95]) {
        node.row.now.cpu_used_ratio = Some(cpu);
    }
    nodes[2].row.liveness = Liveness::NoData;
    let page = draw(
        nodes.clone(),
        &known(Vec::new()),
        &asked(|query| query.color = Color::Cpu),
    );
    let cells = page.boxes[0].cells.iter();
    let told: Vec<_> = cells
        .map(|cell| (cell.tint, cell.value.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (Some(1), Some("CPU 5.0\u{202f}%")),
            (Some(7), Some("CPU 95\u{202f}%")),
            (None, Some("CPU not known"))
        ]
    );
    assert_eq!(page.scale.len(), 7);
    for (node, version) in nodes.iter_mut().zip(["2", "1", "2"]) {
        node.row.product = Some("web".to_owned());
        node.row.version = Some(version.to_owned());
    }
    let page = draw(
        nodes,
        &known(Vec::new()),
        &asked(|query| query.color = Color::Version),
    );
    assert_eq!(page.scale, ["web 2", "web 1"], "the most frequent first");
    assert_eq!(page.boxes[0].cells[1].tint, Some(2));
}

#[test]
fn what_was_declared_is_drawn_until_it_is_seen() {
    let declared = |edges: Vec<Edge>| Known {
        declared: Arc::new(BTreeSet::from([("c000".to_owned(), "c001".to_owned(), 80)])),
        ..known(edges)
    };
    let state = |known: Known| -> Vec<EdgeState> {
        let page = draw(fleet(2, 1, 1, 100), &known, &asked(|_| ()));
        page.edges.iter().map(|edge| edge.state).collect()
    };
    assert_eq!(state(declared(Vec::new())), [EdgeState::Declared]);
    assert_eq!(state(declared(vec![edge(0, 1, 1, 0)])), [EdgeState::Seen]);
    let elsewhere = Known {
        declared: Arc::new(BTreeSet::from([("c000".to_owned(), "gone".to_owned(), 80)])),
        ..known(Vec::new())
    };
    assert_eq!(state(elsewhere), []);
}

#[test]
fn many_peers_that_were_seen_for_a_moment_are_one() {
    let called_by = |last: u8, seen_ms: i64| {
        let mut one = edge(0, 0, 1, 0);
        one.key.from = Side::Peer(Peer {
            address: [203, 0, 113, last].into(),
            prefix: 32,
        });
        one.last_seen_at_ms = Some(seen_ms);
        one
    };
    let told = |edges: Vec<Edge>| -> (Vec<String>, String) {
        let table = asked(|query| query.view = View::Table);
        let rows = draw(fleet(1, 1, 1, 100), &known(edges.clone()), &table).edge_rows;
        let graph = draw(fleet(1, 1, 1, 100), &known(edges), &asked(|_| ()));
        let outside = graph.boxes.iter().find(|one| one.kind == BoxKind::External);
        (
            rows.into_iter().map(|row| row.from).collect(),
            outside.map(|one| one.label.clone()).unwrap_or_default(),
        )
    };
    let few = (1..=5).map(|last| called_by(last, 1_000));
    assert_eq!(told(few.clone().collect()).0.len(), 5, "five are named");
    let many = (1..=6).map(|last| called_by(last, 1_000));
    let lasting = called_by(9, 600_000);
    assert_eq!(
        told(many.clone().collect()),
        (
            vec!["short-lived peers".to_owned()],
            "Short-lived clients outside".to_owned()
        )
    );
    assert_eq!(
        told(many.chain([lasting]).collect()),
        (
            vec!["203.0.113.9".to_owned(), "short-lived peers".to_owned()],
            "1+ clients outside".to_owned()
        )
    );
}

#[test]
fn what_was_found_and_what_was_not_understood_is_said() {
    let notes = |find: &str| {
        let query = asked(|query| {
            query.find = find.to_owned();
            query.strange = vec!["view=3d".to_owned()];
        });
        draw(fleet(5, 3, 1, 100), &known(Vec::new()), &query).notes
    };
    let strange = "“view=3d” in the address of this page means nothing here, and is left out.";
    assert_eq!(notes(""), [strange]);
    assert_eq!(notes("C00"), [strange, "Named like “C00”: 5 clusters."]);
    assert_eq!(
        notes("host 00004"),
        [strange, "Named like “host 00004”: 1 node."]
    );
    assert_eq!(notes("xyz"), [strange, "Nothing here is named like “xyz”."]);
}

#[test]
fn a_wall_shows_clusters_without_nodes_where_those_are_too_many() {
    let drawn = |size: i64| {
        let query = asked(|query| query.plain = true);
        draw(
            fleet(10, size, 1, 100),
            &known(vec![edge(0, size, 1, 0)]),
            &query,
        )
    };
    let few = drawn(15);
    assert!(few.boxes.iter().all(|one| !one.has_bar));
    assert_eq!(few.boxes[0].cells.len(), 15);
    let many = drawn(16);
    assert!(
        many.boxes
            .iter()
            .all(|one| one.has_bar && one.cells.is_empty() && one.more.is_none())
    );
    assert_eq!(many.boxes[0].total, 16);
    assert!(many.area.height < few.area.height);
    assert!(many.notes.is_empty());
}

#[test]
fn how_many_are_not_drawn_stands_where_no_cell_does() {
    let page = draw(fleet(50, 100, 1, 7), &known(Vec::new()), &asked(|_| ()));
    for one in &page.boxes {
        assert!(one.more.is_some() && !one.cells.is_empty());
        let (x, y) = one.more_at;
        let below = one.cells.iter().filter(|cell| cell.y + 20 > y - 8);
        assert!(below.clone().all(|cell| cell.x + 20 <= x), "{}", one.key);
        assert!(x + 3 * 24 <= one.x + one.width + 8 && y < one.y + one.height);
    }
}

#[test]
fn words_of_chosen_edges_stand_beside_boxes_or_shrink_to_the_port() {
    let edges = known(vec![edge(0, 1, 1, 0), edge(0, 2, 880, 300)]);
    let page = draw(
        fleet(3, 1, 1, 100),
        &edges,
        &asked(|query| query.focus = "c000".into()),
    );
    for edge in &page.edges {
        let width = super::edges::width_of(&edge.short);
        let Some((x, y)) = edge.short_at else {
            assert_eq!(edge.short, "80", "shortened, and still no room");
            continue;
        };
        for one in &page.boxes {
            let apart = x + width / 2 <= one.x
                || x - width / 2 >= one.x + one.width
                || y + 10 <= one.y
                || y - 10 >= one.y + one.height;
            assert!(apart, "{} covers {}", edge.short, one.key);
        }
        assert!(edge.path.starts_with('M'));
    }
    assert!(page.edges.iter().any(|edge| edge.short_at.is_some()));
}
