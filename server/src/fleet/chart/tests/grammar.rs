//! What marks may consist of; anything else fails the test that looked.

use super::COLORS;

/// What is allowed in marks, and nothing else: elements, attributes, colours, coordinates in the plot.
pub fn assert_clean(marks: &str) {
    for tag in marks.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap();
        assert_eq!(text, "", "no text: {tag}");
        let tag = tag.trim_end_matches('/');
        if tag.starts_with('/') {
            assert_eq!(tag, "/g");
            continue;
        }
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(matches!(name, "g" | "path"), "{name}");
        while !rest.is_empty() {
            let (key, after) = rest.split_once("=\"").unwrap();
            let (value, after) = after.split_once('"').unwrap();
            rest = after.trim_start();
            match key {
                "class" => assert!(matches!(value, "grid" | "gap")),
                "stroke" | "fill" => assert!(value == "none" || COLORS.contains(&value), "{value}"),
                "d" => assert_inside(value),
                "opacity" | "stroke-width" | "stroke-dasharray" => {
                    assert!(value.split(' ').all(|number| number.parse::<f64>().is_ok()));
                }
                "stroke-linejoin" | "stroke-linecap" => assert_eq!(value, "round"),
                "vector-effect" => assert_eq!(value, "non-scaling-stroke"),
                other => panic!("attribute {other}"),
            }
        }
    }
}

fn assert_inside(d: &str) {
    let (mut x, mut y) = (0, 0);
    let mut text = d;
    while let Some(letter) = text.chars().next() {
        let (_, body) = text.split_at(1);
        let end = body.find(|c: char| c.is_ascii_alphabetic());
        let (numbers, after) = body.split_at(end.unwrap_or(body.len()));
        text = after;
        let numbers: Vec<i32> = numbers
            .split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect();
        let spots: Vec<(i32, i32)> = match (letter, numbers.as_slice()) {
            ('M' | 'L', [to_x, to_y]) => vec![(*to_x, *to_y)],
            ('H', [to_x]) => vec![(*to_x, y)],
            ('V', [to_y]) => vec![(x, *to_y)],
            ('l', steps) => steps
                .chunks_exact(2)
                .scan((x, y), |at, step| {
                    *at = (at.0 + step[0], at.1 + step[1]);
                    Some(*at)
                })
                .collect(),
            ('h', [0]) | ('Z', []) => Vec::new(),
            other => panic!("{other:?} in {d}"),
        };
        for spot in spots {
            (x, y) = spot;
            assert!(
                (0..=2000).contains(&x) && (0..=800).contains(&y),
                "{spot:?} in {d}"
            );
        }
    }
}
