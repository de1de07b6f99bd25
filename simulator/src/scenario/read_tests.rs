use super::*;

const GOOD: &str = r#"
system = "shop"
[[clusters]]
slug = "web"
pack = "nginx"
versions = ["1.26", "1.27"]
ports = [443, 80]
nodes = 4
[[clusters]]
slug = "db"
pack = "systemd"
unit = "db.service"
versions = ["1"]
ports = [5432]
roles = [{ name = "primary", nodes = 1 }, { name = "replica", nodes = 2, sub_domain = "r" }]
[[dependencies]]
from = "web"
to = "db"
to_role = "primary"
port = 5432
connections = 3
[[clients]]
to = "web"
port = 443
peers = 9
connections = 4
renew = "30s"
[[services]]
from = "web"
address = "198.51.100.7"
port = 25
connections = 1
[[incidents]]
kind = "crash"
cluster = "web"
nodes = 2
first = "10s"
every = "5m"
lasts = "1m"
[[incidents]]
kind = "deploy"
cluster = "web"
first = "1m"
every = "5m"
lasts = "1m"
"#;

#[test]
fn a_file_becomes_an_estate() {
    let scenario = read(GOOD).unwrap();
    assert_eq!(scenario.nodes(), 7);
    assert_eq!(scenario.clusters[0].ports, [80, 443], "ascending");
    assert_eq!(scenario.look_ms, 60_000, "as agents do");
    assert_eq!(scenario.dependencies[0].renew_ms, 600_000);
    assert_eq!(scenario.clients[0].renew_ms, 30_000);
    assert_eq!(scenario.dependencies[0].to.role.as_deref(), Some("primary"));
    assert_eq!(
        (scenario.incidents[1].nodes, scenario.incidents[1].cluster),
        (1, Some(0))
    );
    assert!(Scenario::demo().is_ok_and(|demo| demo.nodes() == 60 && demo.clusters.len() == 6));
}

/// (what is written in its place, what is replaced, what the message must hold)
const WRONG: &[(&str, &str, &[&str])] = &[
    (
        "system = \"shop\"",
        "system = \"Shop!\"",
        &["system", "`Shop!`", "a-z"],
    ),
    ("system = \"shop\"", "zones = []", &["zones", "none"]),
    ("system = \"shop\"", "look = \"soon\"", &["look", "soon"]),
    (
        "system = \"shop\"",
        "sytem = \"shop\"",
        &["line 2", "sytem", "unknown field"],
    ),
    (
        "nodes = 4",
        "nodes = \"four\"",
        &["line 8", "\"four\"", "expected i64"],
    ),
    (
        "nodes = 4",
        "nodes = 0",
        &["clusters[0] `web`.nodes", "0 is not from 1 to 25000"],
    ),
    (
        "nodes = 4",
        "",
        &["clusters[0] `web`.nodes", "say how many"],
    ),
    (
        "slug = \"web\"",
        "slug = \"We b\"",
        &["clusters[0].slug", "`We b`"],
    ),
    (
        "slug = \"web\"",
        "slug = \"db\"",
        &["clusters[1] `db`", "choose another"],
    ),
    (
        "pack = \"nginx\"",
        "pack = \"apache\"",
        &["clusters[0] `web`.pack", "`apache`", "nginx, postgresql"],
    ),
    (
        "unit = \"db.service\"",
        "",
        &["clusters[1] `db`.unit", "unit = "],
    ),
    (
        "versions = [\"1\"]",
        "versions = []",
        &["clusters[1] `db`.versions"],
    ),
    (
        "ports = [443, 80]",
        "ports = [443, 70000]",
        &["clusters[0] `web`.ports", "70000 is not from 1 to 65535"],
    ),
    (
        "ports = [443, 80]",
        "ports = []",
        &["clusters[0] `web`.ports", "0 is not from 1"],
    ),
    (
        "name = \"replica\"",
        "name = \"primary\"",
        &["clusters[1] `db`.roles `primary`", "twice"],
    ),
    (
        "roles = [",
        "nodes = 9\nroles = [",
        &["clusters[1] `db`.nodes", "9 is not the 3"],
    ),
    (
        "from = \"web\"\nto",
        "from = \"webb\"\nto",
        &["dependencies[0].from", "`webb`", "db, web"],
    ),
    (
        "to_role = \"primary\"",
        "to_role = \"boss\"",
        &["dependencies[0].to_role", "`boss`"],
    ),
    (
        "port = 5432\nconn",
        "port = 5433\nconn",
        &["dependencies[0].port", "5433", "[5432]"],
    ),
    (
        "connections = 3",
        "connections = 0",
        &["dependencies[0].connections", "0 is not from 1 to 2000"],
    ),
    ("peers = 9", "peers = 501", &["clients[0].peers", "501"]),
    (
        "renew = \"30s\"",
        "renew = \"30\"",
        &["clients[0].renew", "30"],
    ),
    (
        "port = 443\npeers",
        "port = 444\npeers",
        &["clients[0].port", "444"],
    ),
    (
        "198.51.100.7",
        "shop.example",
        &["services[0].address", "`shop.example`"],
    ),
    (
        "198.51.100.7",
        "10.1.2.3",
        &["services[0].address", "10.0.0.0/8"],
    ),
    (
        "kind = \"crash\"",
        "kind = \"fire\"",
        &["incidents[0].kind", "`fire`", "partition"],
    ),
    (
        "kind = \"crash\"",
        "kind = \"partition\"",
        &["incidents[0]", "neither cluster nor nodes"],
    ),
    (
        "nodes = 2\nfirst",
        "nodes = 5\nfirst",
        &["incidents[0].nodes", "5 is not from 1 to 4"],
    ),
    (
        "every = \"5m\"\nlasts = \"1m\"\n[[",
        "every = \"1m\"\nlasts = \"1m\"\n[[",
        &["incidents[0].lasts", "1m"],
    ),
    (
        "first = \"10s\"",
        "first = \"-1s\"",
        &["incidents[0].first", "-1s"],
    ),
    (
        "kind = \"deploy\"\ncluster = \"web\"",
        "kind = \"probe\"\ncluster = \"db\"",
        &["incidents[1]", "no health probe"],
    ),
    (
        "kind = \"deploy\"\ncluster = \"web\"",
        "kind = \"deploy\"\ncluster = \"db\"",
        &["incidents[1]", "name two"],
    ),
];

#[test]
fn every_problem_names_its_place_the_value_and_the_way_out() {
    for (good, wrong, words) in WRONG {
        assert!(GOOD.contains(good), "{good}");
        let text = GOOD.replacen(good, wrong, 1);
        let error = read(&text).err().map(|error| error.to_string());
        let error = error.unwrap_or_else(|| panic!("{wrong} is taken"));
        for word in *words {
            assert!(error.contains(word), "{wrong}: `{word}` is not in: {error}");
        }
    }
}

#[test]
fn all_problems_are_told_at_once_and_an_empty_file_is_one() {
    let text = GOOD
        .replace("peers = 9", "peers = 0")
        .replace("pack = \"nginx\"", "pack = \"x\"");
    assert_eq!(read(&text).unwrap_err().0.len(), 2);
    assert!(read("").unwrap_err().to_string().contains("[[clusters]]"));
}

#[test]
fn the_same_connections_twice_are_refused() {
    let twice = "[[dependencies]]\nfrom = \"web\"\nto = \"db\"\nport = 5432\nconnections = 1\n";
    let error = read(&format!("{GOOD}{twice}")).unwrap_err().to_string();
    assert!(
        error.contains("dependencies[1]") && error.contains("dependencies[0]"),
        "{error}"
    );
}
