//! The contract of charts: what may be in marks, what must never be, and what is said.

use domain::metric::series::{Bucket, Gap, Level, SeriesRequest};
use proptest::prelude::*;

use super::*;
use grammar::assert_clean;

mod grammar;
mod wording;

const FROM: i64 = 1_795_312_800_000;
const HOUR: i64 = 3_600_000;

fn window(range_ms: i64) -> Window<'static> {
    Window {
        from_ms: FROM,
        to_ms: FROM + range_ms,
        now_ms: FROM + range_ms,
        interval_s: 10,
        label: "last hour",
        node: "db-eu-2",
        zone_minutes: 0,
    }
}

fn panel(key: &str) -> &'static Panel {
    panels().iter().find(|panel| panel.key == key).unwrap()
}

/// Stored values at seconds after the start of the window, as the server would answer them.
fn slice(range_ms: i64, values: impl IntoIterator<Item = (i64, i64)>) -> Slice {
    let raw: Vec<(i64, i64)> = values
        .into_iter()
        .map(|(s, v)| (FROM + s * 1000, v))
        .collect();
    let request = SeriesRequest {
        from_ms: FROM,
        to_ms: FROM + range_ms,
        level: None,
        max_points: 400,
        interval_s: 10,
    };
    request.slice(&raw, &[], FROM + range_ms).unwrap()
}

fn every_10_s(value: impl Fn(i64) -> Option<i64>) -> Slice {
    slice(HOUR, (0..360).filter_map(|i| Some((i * 10, value(i)?))))
}

fn draw_one(key: &str, metric: Metric, slice: &Slice) -> Chart {
    let input = Input {
        metric,
        instance: "",
        slice,
    };
    draw(panel(key), &window(HOUR), &[input]).unwrap()
}

fn draw_many(key: &str, series: &[(Metric, String, Slice)]) -> Option<Chart> {
    let inputs: Vec<Input<'_>> = series
        .iter()
        .map(|(metric, instance, slice)| Input {
            metric: *metric,
            instance,
            slice,
        })
        .collect();
    draw(panel(key), &window(HOUR), &inputs)
}

/// Marks without grid and gaps.
fn series_marks(marks: &str) -> &str {
    let after_grid = marks.split_once("</g>").map_or(marks, |(_, rest)| rest);
    match after_grid.split_once(r#"<g class="gap">"#) {
        Some((_, rest)) => rest.split_once("</g>").map_or(rest, |(_, rest)| rest),
        None => after_grid,
    }
}

fn lines_of(marks: &str) -> usize {
    series_marks(marks)
        .matches(r#"<path vector-effect="non-scaling-stroke" stroke="#)
        .count()
}

fn dots_of(marks: &str) -> usize {
    marks.matches("h0").count()
}

#[test]
fn a_line_breaks_where_nothing_is_known_and_the_band_says_so() {
    // Silent from 1,000 to 1,300 s; one lone point at 2,000 s between two further silences.
    let slice = every_10_s(|i| {
        let s = i * 10;
        let is_silent = (1_000..1_300).contains(&s) || (1_900..2_100).contains(&s) && s != 2_000;
        (!is_silent).then_some(500)
    });
    let chart = draw_one("memory", Metric::MemoryUsedRatio, &slice);
    assert_eq!((lines_of(&chart.marks), dots_of(&chart.marks)), (3, 1));
    assert_eq!(chart.gaps.len(), 3);
    assert_eq!(chart.marks.matches(r#"class="gap""#).count(), 1);
    assert!(chart.summary.ends_with(", 3 gaps"), "{}", chart.summary);
    assert_clean(&chart.marks);
}

#[test]
fn two_missing_reports_are_not_yet_a_gap_and_three_are() {
    let with_missing = |missing: i64| {
        let slice = every_10_s(|i| (!(100..100 + missing).contains(&i)).then_some(500));
        lines_of(&draw_one("memory", Metric::MemoryUsedRatio, &slice).marks)
    };
    assert_eq!((with_missing(1), with_missing(2)), (1, 2), "2.5 steps");
}

#[test]
fn a_gap_inside_of_buckets_breaks_the_line_between_them() {
    let day = 24 * HOUR;
    // 300 s of silence are more than a bucket of 220 s and less than 2.5 of them.
    let values = (0..8_640)
        .map(|i| i * 10)
        .filter(|s| !(43_300..43_600).contains(s));
    let slice = slice(day, values.map(|s| (s, 500)));
    let input = Input {
        metric: Metric::MemoryUsedRatio,
        instance: "",
        slice: &slice,
    };
    let chart = draw(panel("memory"), &window(day), &[input]).unwrap();
    assert_eq!((slice.step_s, lines_of(&chart.marks)), (240, 2));
}

#[test]
fn one_point_is_a_dot_and_no_point_is_a_hatched_plot() {
    let one = draw_one("load", Metric::Load1, &slice(HOUR, [(1_800, 150)]));
    assert_eq!((lines_of(&one.marks), dots_of(&one.marks)), (0, 1));
    assert_eq!(one.series[0].latest, None, "nothing is known now");
    assert_eq!(one.series[0].range, Some(("1.50".into(), "1.50".into())));

    let none = draw_one("load", Metric::Load1, &slice(HOUR, []));
    assert_eq!(series_marks(&none.marks), "");
    assert_eq!((none.gaps.len(), none.absent.clone()), (1, None));
    assert_eq!(none.summary, "Load of db-eu-2, last hour: no data, one gap");
    assert_clean(&none.marks);
}

#[test]
fn without_its_series_a_chart_says_why_and_rare_trouble_is_left_out() {
    let chart = draw_many("swap", &[]).unwrap();
    assert_eq!(chart.absent.as_deref(), Some("This host has no swap."));
    assert_eq!(chart.marks, "");
    let drops = |value: i64| {
        let slice = every_10_s(|i| Some(if i == 100 { value } else { 0 }));
        let quiet = every_10_s(|_| Some(0));
        draw_many(
            "network-trouble",
            &[
                (Metric::NetworkDropsPerS, "eth0".into(), slice),
                (Metric::NetworkErrorsPerS, "eth0".into(), quiet),
            ],
        )
    };
    assert_eq!(drops(0), None);
    let labels: Vec<String> = drops(40)
        .into_iter()
        .flat_map(|chart| chart.series)
        .map(|line| line.label)
        .collect();
    assert_eq!(labels, ["eth0 drops"]);
}

#[test]
fn a_stack_folds_nice_into_user_and_stands_only_where_every_part_is_known() {
    let part = |value: i64| every_10_s(|_| Some(value));
    let holed = every_10_s(|i| (i != 180).then_some(100));
    let chart = draw_many(
        "cpu",
        &[
            (Metric::CpuUserRatio, String::new(), part(200)),
            (Metric::CpuNiceRatio, String::new(), part(50)),
            (Metric::CpuSystemRatio, String::new(), holed),
            (Metric::CpuUsedRatio, String::new(), part(350)),
        ],
    )
    .unwrap();
    let legend: Vec<_> = chart
        .series
        .iter()
        .map(|line| (line.label.as_str(), line.color, line.latest.as_deref()))
        .collect();
    assert_eq!(
        legend,
        [
            ("user", 1, Some("25\u{202F}%")),
            ("system", 2, Some("10\u{202F}%"))
        ]
    );
    // From (0, 25 %) along the top, back along the floor.
    assert_eq!(
        series_marks(&chart.marks),
        r##"<g><path opacity="0.7" fill="#204CA6" d="M0 600l1994 0 0 200 -1994 0"/></g><g><path opacity="0.7" fill="#C86400" d="M0 520l1994 0 0 80 -1994 0"/></g>"##
    );
    assert!(
        chart.summary.contains("now 35\u{202F}%"),
        "{}",
        chart.summary
    );
}

#[test]
fn what_a_host_calls_its_mounts_never_gets_into_marks() {
    let hostile = r#""><script>alert(1)</script><text style='x'>#123456"#;
    let slice = every_10_s(Some);
    let chart = draw_many(
        "filesystems",
        &[(Metric::FilesystemUsedRatio, hostile.into(), slice)],
    )
    .unwrap();
    assert_eq!(chart.series[0].label, hostile);
    assert_clean(&chart.marks);
}

#[test]
fn twenty_thousand_points_stay_small_and_keep_their_peak() {
    let noisy = |i: i64| (i * 7_919) % 400 + 100;
    let points = |spacing_ms: i64| -> Vec<Bucket> {
        (0..20_000)
            .map(|i| {
                let value = if i == 12_345 { 1_000 } else { noisy(i) };
                Bucket {
                    min: value - 50,
                    max: value,
                    ..Bucket::point(FROM + i * spacing_ms, value)
                }
            })
            .collect()
    };
    let draw_points = |spacing_ms: i64| {
        let slice = Slice {
            points: points(spacing_ms),
            gaps: Vec::new(),
            level: Level::Raw,
            step_s: 10,
            is_folded: false,
        };
        let input = Input {
            metric: Metric::MemoryUsedRatio,
            instance: "",
            slice: &slice,
        };
        let window = window(20_000 * spacing_ms);
        draw(panel("memory"), &window, &[input]).unwrap()
    };
    for spacing_ms in [10_000, 60_000] {
        let chart = draw_points(spacing_ms);
        assert!(chart.marks.len() < 60_000, "{}", chart.marks.len());
        assert_clean(&chart.marks);
        // All of the points are further apart than 2.5 steps in the second run: dots, and no line.
        assert_eq!(lines_of(&chart.marks), usize::from(spacing_ms == 10_000));
    }
    assert!(
        draw_points(60_000).marks.contains("M1235 0h0"),
        "the peak at 100 %"
    );
}

#[test]
fn a_gap_is_hatched_only_where_no_line_is_known() {
    let mounted_late = every_10_s(|i| (i > 200).then_some(100));
    let always = every_10_s(|_| Some(300));
    let chart = draw_many(
        "filesystems",
        &[
            (Metric::FilesystemUsedRatio, "/".into(), always),
            (Metric::FilesystemUsedRatio, "/mnt".into(), mounted_late),
        ],
    )
    .unwrap();
    assert_eq!(chart.gaps, []);
}

#[test]
fn a_constant_is_one_stroke() {
    let chart = draw_one(
        "memory",
        Metric::MemoryUsedRatio,
        &every_10_s(|_| Some(500)),
    );
    assert_eq!(
        series_marks(&chart.marks),
        r##"<g><path opacity="0.08" fill="#204CA6" d="M0 400l1994 0 0 400 -1994 0"/></g><g fill="none" stroke-width="1.5" stroke-linejoin="round"><path vector-effect="non-scaling-stroke" stroke="#204CA6" d="M0 400l1994 0"/></g>"##
    );
}

#[test]
fn colours_of_strokes_are_those_that_are_told() {
    for (series, hex) in marks::SERIES.iter().zip(COLORS) {
        assert_eq!(
            format!("#{:02X}{:02X}{:02X}", series.0, series.1, series.2),
            hex
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_points_are_drawn_inside_the_plot_and_the_same_each_time(
        values in proptest::collection::vec((-100_000i64..4_000_000, prop_oneof![any::<i64>(), 0i64..1000, Just(i64::MAX)], 0i64..500), 0..300),
        gaps in proptest::collection::vec((-100_000i64..4_000_000, 0i64..500_000), 0..6),
        place in 0usize..15,
        now_ms in -1_000_000i64..5_000_000,
        range_ms in -10i64..4_000_000,
    ) {
        let panel = panels().get(place).unwrap();
        let mut values = values;
        values.sort_unstable();
        let mut gaps: Vec<Gap> = gaps
            .into_iter()
            .map(|(from, long)| Gap { from_ms: FROM + from, to_ms: FROM + from + long, reason: "no_report".into() })
            .collect();
        gaps.sort_by_key(|gap| gap.from_ms);
        let slice = Slice {
            points: values
                .iter()
                .map(|(t_ms, value, spread)| Bucket { max: value.saturating_add(*spread), ..Bucket::point(FROM + t_ms, *value) })
                .collect(),
            gaps,
            level: Level::Raw,
            step_s: 10,
            is_folded: false,
        };
        let window = Window { to_ms: FROM + range_ms, now_ms: FROM + now_ms, ..window(HOUR) };
        let inputs: Vec<Input<'_>> = panel
            .metrics()
            .flat_map(|metric| ["a", "b", "c", "d"].map(|instance| Input { metric, instance, slice: &slice }))
            .collect();
        let chart = draw(panel, &window, &inputs);
        if let Some(chart) = &chart {
            assert_clean(&chart.marks);
            prop_assert!(chart.series.len() <= 6);
            prop_assert!(chart.x_ticks.iter().chain(&chart.y_ticks).all(|(at, _)| (0.0..=1.0).contains(at)));
        }
        prop_assert_eq!(chart, draw(panel, &window, &inputs));
    }
}
