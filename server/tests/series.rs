//! Series for programs: how far a page goes, and what levels are called.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Site, site};
use domain::metric::Metric;
use serde_json::Value;
use server::series::SeriesKey;
use server::series::writer::NewRecord;

/// Many points of one node, of several instances of one metric; and one node with a few.
async fn many_points(site: &Site, instances: usize, instants: i64) -> [String; 2] {
    let mut agents = [site.agent(1).await, site.agent(2).await];
    agents.sort_by(|a, b| a.node_id.cmp(&b.node_id));
    let now_ms = site.ops.clock.now().0;
    for (agent, instants) in agents.iter().zip([instants, 3]) {
        let no = site.ops.live.host_by_id(&agent.host_id).unwrap().record.no;
        let record = |at: i64| NewRecord {
            epoch: 1,
            seq: 1 + at.unsigned_abs(),
            digest: [0; 8],
            t_ms: now_ms - (instants - at) * 1_000,
            samples: (0..instances)
                .map(|instance| {
                    let key = SeriesKey {
                        metric: Metric::FilesystemUsedRatio,
                        instance: format!("/{instance}"),
                    };
                    (key, at)
                })
                .collect(),
            gap: None,
            goodbye: false,
        };
        let records = (0..instants).map(record).collect();
        site.ops.writer.append(no, now_ms, records).await.unwrap();
    }
    agents.map(|agent| agent.node_id)
}

#[tokio::test]
async fn a_page_of_series_ends_with_the_node_that_has_very_many_points() {
    let site = site().await;
    let (instances, instants) = (11, 19_000);
    let [first, second] = many_points(&site, instances, instants).await;
    let now_ms = site.ops.clock.now().0;
    let asked = format!(
        "/api/v1/series?metric=filesystem_used_ratio&level=raw&from_ms={}&to_ms={now_ms}",
        now_ms - instants * 1_000
    );
    let nodes = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["node_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let page = site.told(&asked).await;
    assert_eq!(nodes(&page), vec![first.clone(); instances]);
    let points: usize = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["points"].as_array().unwrap().len())
        .sum();
    assert_eq!(points, 209_000);
    assert_eq!(page["next_cursor"], first);
    let page = site.told(&format!("{asked}&cursor={first}")).await;
    assert_eq!(nodes(&page), vec![second.clone(); instances]);
    assert_eq!(page["next_cursor"], Value::Null);

    // With fewer points both are on one page.
    let asked = asked.replace("level=raw", "max_points=400");
    let page = site.told(&asked).await;
    assert_eq!(nodes(&page).len(), 2 * instances);
    assert_eq!(page["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_level_is_called_as_it_was_asked_for_and_only_raw_points_are_raw() {
    let site = site().await;
    let [node, _] = many_points(&site, 1, 3_600).await;
    let to_ms = site.ops.clock.now().0;
    let get = async |more: &str| {
        let path = format!(
            "/api/v1/nodes/{node}/series?metric=filesystem_used_ratio&instance=/0&from_ms={}&to_ms={to_ms}{more}",
            to_ms - 3_600_000
        );
        site.told(&path).await
    };
    for level in ["raw", "1m", "10m", "1h"] {
        let series = get(&format!("&level={level}")).await;
        assert_eq!(series["level"], level);
    }
    let counts = |series: &Value| -> Vec<u64> {
        let points = series["points"].as_array().unwrap().iter();
        points.map(|point| point[4].as_u64().unwrap()).collect()
    };
    let raw = get("&level=raw").await;
    assert_eq!(counts(&raw), vec![1; 3_600]);
    // Narrower than a minute and made of several: none of the levels that are kept.
    let folded = get("&max_points=400").await;
    assert_eq!(folded["level"], "folded");
    assert!(counts(&folded).iter().any(|count| *count > 1));
    assert!(counts(&folded).len() <= 400);
    let wide = get("&max_points=60").await;
    assert_eq!(wide["level"], "1m");
    let narrow = get("&max_points=10000").await;
    assert_eq!(
        (&narrow["level"], counts(&narrow).len()),
        (&"raw".into(), 3_600)
    );
}
