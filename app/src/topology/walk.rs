//! Where arrow keys lead: from a rectangle to the spatially nearest one in a direction. Pure.

/// A rectangle and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    /// What to give focus to.
    pub key: String,
    /// Middle.
    pub x: f64,
    /// Middle.
    pub y: f64,
    /// Somebody should look at it.
    pub is_problem: bool,
}

/// An arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrow {
    /// To smaller x.
    Left,
    /// To larger x.
    Right,
    /// To smaller y.
    Up,
    /// To larger y.
    Down,
}

impl Arrow {
    /// Of a key's name.
    pub fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "ArrowLeft" => Arrow::Left,
            "ArrowRight" => Arrow::Right,
            "ArrowUp" => Arrow::Up,
            "ArrowDown" => Arrow::Down,
            _ => return None,
        })
    }
}

/// The nearest in that direction: what lies aside counts twice. `None` where nothing lies there.
pub fn nearest<'s>(spots: &'s [Spot], from: &str, arrow: Arrow) -> Option<&'s Spot> {
    let start = spots.iter().find(|spot| spot.key == from)?;
    let cost = |spot: &Spot| {
        let (right, down) = (spot.x - start.x, spot.y - start.y);
        let (ahead, aside) = match arrow {
            Arrow::Left => (-right, down),
            Arrow::Right => (right, down),
            Arrow::Up => (-down, right),
            Arrow::Down => (down, right),
        };
        (ahead > 0.5).then(|| ahead + 2.0 * aside.abs())
    };
    spots
        .iter()
        .filter_map(|spot| Some((spot, cost(spot)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(spot, _)| spot)
}

/// The next or previous of those that `wanted` wants, in reading order, around the end.
pub fn along<'s>(
    spots: &'s [Spot],
    from: &str,
    is_forward: bool,
    wanted: impl Fn(&Spot) -> bool,
) -> Option<&'s Spot> {
    let mut order: Vec<&Spot> = spots.iter().collect();
    order.sort_by(|a, b| a.x.total_cmp(&b.x).then_with(|| a.y.total_cmp(&b.y)));
    if !is_forward {
        order.reverse();
    }
    let after = order
        .iter()
        .position(|spot| spot.key == from)
        .map_or(0, |at| at + 1);
    let count = order.len();
    let around = order.into_iter().cycle().skip(after).take(count);
    around.into_iter().find(|spot| wanted(spot))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// a over b at the left, c at the right level with a, d far below c.
    fn spots() -> Vec<Spot> {
        [
            ("a", 0.0, 0.0, false),
            ("b", 0.0, 100.0, true),
            ("c", 300.0, 10.0, false),
            ("d", 300.0, 400.0, true),
        ]
        .into_iter()
        .map(|(key, x, y, is_problem)| Spot {
            key: key.to_owned(),
            x,
            y,
            is_problem,
        })
        .collect()
    }

    #[test]
    fn arrows_lead_to_the_nearest_box_that_way() {
        let spots = spots();
        let to = |from: &str, arrow| nearest(&spots, from, arrow).map(|spot| spot.key.as_str());
        assert_eq!(to("a", Arrow::Right), Some("c"));
        assert_eq!(to("a", Arrow::Down), Some("b"));
        assert_eq!(to("b", Arrow::Right), Some("c"), "nearer than d");
        assert_eq!(to("c", Arrow::Left), Some("a"));
        assert_eq!(to("d", Arrow::Up), Some("c"));
        assert_eq!(to("a", Arrow::Left), None);
        assert_eq!(to("gone", Arrow::Left), None);
        assert_eq!(Arrow::of_key("ArrowLeft"), Some(Arrow::Left));
        assert_eq!(Arrow::of_key("Enter"), None);
    }

    #[test]
    fn problems_follow_each_other_around_the_end() {
        let spots = spots();
        let to = |from: &str, is_forward| {
            let next = along(&spots, from, is_forward, |spot| spot.is_problem);
            next.map(|spot| spot.key.as_str())
        };
        assert_eq!(to("a", true), Some("b"));
        assert_eq!(to("b", true), Some("d"));
        assert_eq!(to("d", true), Some("b"));
        assert_eq!(to("b", false), Some("d"));
        assert_eq!(to("gone", true), Some("b"));
        assert_eq!(along(&spots, "a", true, |_| false), None);
    }
}
