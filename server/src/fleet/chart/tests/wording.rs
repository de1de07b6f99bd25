//! What legends, axes and sentences say.

use super::*;

#[test]
fn the_sentence_tells_now_least_greatest_and_gaps() {
    let slice = every_10_s(|i| match i {
        100 => Some(120),
        200 => Some(970),
        250..255 => None,
        _ => Some(710),
    });
    let chart = draw_one("memory", Metric::MemoryUsedRatio, &slice);
    assert_eq!(
        chart.summary.replace('\u{202F}', " "),
        "Memory of db-eu-2, last hour: now 71 %, min 12 %, max 97 % at 02:33 UTC, one gap"
    );
    assert_eq!(chart.unit, "%");
    let y: Vec<String> = chart
        .y_ticks
        .iter()
        .map(|(at, text)| format!("{at} {}", text.replace('\u{202F}', " ")))
        .collect();
    assert_eq!(
        y,
        ["1 0 %", "0.75 25 %", "0.5 50 %", "0.25 75 %", "0 100 %"]
    );
    let x: Vec<&str> = chart
        .x_ticks
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(x, ["02:00", "02:10", "02:20", "02:30", "02:40", "02:50"]);
}

#[test]
fn days_stand_at_midnight_and_axes_are_round() {
    let two_days = Window {
        from_ms: FROM - 40 * HOUR,
        ..window(HOUR)
    };
    let texts = |window: &Window<'_>| -> Vec<String> {
        words::instants(window)
            .into_iter()
            .map(|at_ms| words::instant(window, at_ms))
            .collect()
    };
    assert_eq!(
        texts(&two_days),
        [
            "12:00", "18:00", "21 Nov", "06:00", "12:00", "18:00", "22 Nov"
        ]
    );
    let year = Window {
        from_ms: FROM - 365 * 24 * HOUR,
        ..window(HOUR)
    };
    assert!(texts(&year).iter().all(|text| text.contains(" 202")));
    let level = |kind, greatest: f64| -> Vec<String> {
        words::levels(kind, greatest)
            .into_iter()
            .map(|level| words::level(kind, level).replace('\u{202F}', " "))
            .collect()
    };
    assert_eq!(level(Kind::Number, 0.0), ["0", "0.25", "0.5", "0.75", "1"]);
    assert_eq!(level(Kind::Count, 0.0), ["0", "1", "2", "3", "4"]);
    assert_eq!(
        level(Kind::BitsPerS, 12.4e6),
        [
            "0 bit/s",
            "25 Mbit/s",
            "50 Mbit/s",
            "75 Mbit/s",
            "100 Mbit/s"
        ]
    );
    assert_eq!(
        level(Kind::Span, 101_000.0),
        ["0", "12 h", "1 d", "1 d 12 h", "2 d"]
    );
}

#[test]
fn more_lines_than_colours_are_summed_where_that_means_something_and_counted_where_not() {
    let many = |metric: Metric| -> Vec<(Metric, String, Slice)> {
        (0..9)
            .map(|i| (metric, format!("/m{i}"), every_10_s(|_| Some(100 + i))))
            .collect()
    };
    let labels = |chart: &Chart| -> Vec<String> {
        chart.series.iter().map(|line| line.label.clone()).collect()
    };
    let reads = draw_many("disk-reads", &many(Metric::DiskReadBytesPerS)).unwrap();
    assert_eq!(
        labels(&reads),
        ["/m4", "/m5", "/m6", "/m7", "/m8", "other 4"]
    );
    assert_eq!(
        reads.series[5].latest.as_deref(),
        Some("406\u{202F}B/s"),
        "100 + 101 + 102 + 103"
    );
    let mounts = many(Metric::FilesystemUsedRatio);
    let chart = draw_many("filesystems", &mounts).unwrap();
    assert_eq!(labels(&chart), ["/m4", "/m5", "/m6", "/m7", "/m8"]);
    assert!(chart.summary.ends_with(", 4 more not drawn"));
    let mut reversed = mounts;
    reversed.reverse();
    assert_eq!(draw_many("filesystems", &reversed).unwrap(), chart);

    let mut interfaces = many(Metric::NetworkReceiveBytesPerS);
    interfaces.extend(many(Metric::NetworkTransmitBytesPerS));
    let network = draw_many("network", &interfaces).unwrap();
    assert_eq!(
        labels(&network),
        [
            "/m7 in",
            "/m7 out",
            "/m8 in",
            "/m8 out",
            "other 7 in",
            "other 7 out"
        ]
    );
    assert!(network.series.iter().map(|line| line.color).eq(1..=6));
}

#[test]
fn what_is_after_now_is_blank_and_a_past_window_has_no_now() {
    let mut half = slice(HOUR, (0..180).map(|i| (i * 10, 500)));
    half.gaps.clear();
    let input = |slice| Input {
        metric: Metric::MemoryUsedRatio,
        instance: "",
        slice,
    };
    let open = Window {
        now_ms: FROM + HOUR / 2,
        ..window(HOUR)
    };
    let chart = draw(panel("memory"), &open, &[input(&half)]).unwrap();
    assert_eq!(chart.gaps, []);
    assert!(chart.series[0].latest.is_some());
    assert_clean(&chart.marks);
    let past = Window {
        now_ms: FROM + 9 * HOUR,
        ..window(HOUR)
    };
    let chart = draw(panel("memory"), &past, &[input(&every_10_s(|_| Some(500)))]).unwrap();
    assert!(chart.summary.contains("at the end 50"), "{}", chart.summary);
}
