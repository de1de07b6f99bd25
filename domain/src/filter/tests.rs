use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Filter {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn problem(text: &str) -> FilterError {
    text.parse::<Filter>().map_or_else(
        |error| error,
        |filter| panic!("{text} is a filter: {filter:?}"),
    )
}

#[derive(Clone)]
struct Node {
    texts: BTreeMap<Field, Vec<&'static str>>,
    tags: BTreeMap<&'static str, &'static str>,
    status: Status,
    values: Vec<(Metric, f64)>,
    seen_s: Option<f64>,
}

impl Subject for Node {
    fn texts(&self, field: Field) -> impl Iterator<Item = &str> {
        self.texts.get(&field).into_iter().flatten().copied()
    }

    fn status(&self) -> Status {
        self.status
    }

    fn liveness(&self) -> Liveness {
        Liveness::Late
    }

    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name).copied()
    }

    fn tag_values(&self) -> impl Iterator<Item = &str> {
        self.tags.values().copied()
    }

    fn any_value(&self, metric: Metric, fulfils: impl Fn(f64) -> bool) -> bool {
        self.values
            .iter()
            .any(|(of, value)| *of == metric && fulfils(*value))
    }

    fn seen_s(&self) -> Option<f64> {
        self.seen_s
    }
}

fn node() -> Node {
    Node {
        texts: [
            (Field::Name, vec!["app-eu-07"]),
            (Field::Host, vec!["vm7", "vm7.example.org"]),
            (Field::System, vec!["shop"]),
            (Field::Cluster, vec!["app-eu"]),
            (Field::Kind, vec!["tomcat"]),
            (Field::Product, vec!["Apache Tomcat"]),
            (Field::Version, vec!["9.0.98"]),
        ]
        .into(),
        tags: [("tier", "edge"), ("rack", "r 1")].into(),
        status: Status::Critical,
        values: vec![
            (Metric::CpuUsedRatio, 0.8),
            (Metric::FilesystemUsedRatio, 0.4),
            (Metric::FilesystemUsedRatio, 0.97),
            (Metric::FilesystemFreeBytes, 9e9),
        ],
        seen_s: Some(301.0),
    }
}

#[test]
fn a_node_is_let_through_by_what_is_true_of_it() {
    for (text, is) in [
        ("", true),
        ("app vm7", true),
        ("APP-EU-07", true),
        ("\"apache tomcat\"", true),
        ("\"tomcat apache\"", false),
        ("edge", true),
        ("-edge", false),
        ("!db", true),
        ("cluster:app-eu", true),
        ("cluster:APP-EU", true),
        ("cluster:app", false),
        ("cluster:app*,db", true),
        ("-cluster:app-eu", false),
        ("cluster:!app-eu", false),
        ("-cluster:!app-eu", true),
        ("host:vm7.example.org", true),
        ("role:\"\"", true),
        ("cluster:\"\"", false),
        ("-role:worker", true),
        ("status:critical,warning", true),
        ("status:warning", false),
        ("liveness:late", true),
        ("tag:tier", true),
        ("tag:tier=edge,core", true),
        ("tag:tier=core", false),
        ("tag:rack=\"r 1\"", true),
        ("tag:zone", false),
        ("-tag:zone", true),
        ("version<9.0.100", true),
        ("version>=9.1", false),
        ("version:9.0.*", true),
        ("cpu>80", false),
        ("cpu>=80%", true),
        ("cpu=80", true),
        ("cpu!=80", false),
        ("cpu<80.1", true),
        ("cpu_used_ratio>79", true),
        ("disk>95", true),
        ("disk<50", true),
        ("disk>98", false),
        ("disk.free<10GiB", true),
        ("disk.free<8GiB", false),
        // What is not known fulfils no comparison, but does not hinder a contrary.
        ("memory>0", false),
        ("memory<=100", false),
        ("-memory>0", true),
        ("seen>5m", true),
        ("seen<5m", false),
        (
            "cluster:app-eu status:critical cpu>70 -tag:zone tomcat",
            true,
        ),
        ("cluster:app-eu status:critical cpu>90 tomcat", false),
    ] {
        assert_eq!(parse(text).matches(&node()), is, "{text}");
    }
    let silent = Node {
        seen_s: None,
        ..node()
    };
    assert!(!parse("seen>5m").matches(&silent) && !parse("seen<5m").matches(&silent));
}

#[test]
fn a_filter_is_written_as_it_is_read() {
    for (text, written) in [
        ("  web   1 ", "web 1"),
        (
            "cluster:app-eu,db status:CRITICAL",
            "cluster:app-eu,db status:critical",
        ),
        ("Cluster:app", "cluster:app"),
        ("cluster:!app", "-cluster:app"),
        ("!x", "-x"),
        ("--x", "-\"-x\""),
        ("-", "\"-\""),
        ("\"plain\"", "plain"),
        ("\"cpu>80\"", "\"cpu>80\""),
        ("\"a \\\" \\\\ b\"", "\"a \\\" \\\\ b\""),
        ("cluster:\"a b\",\"\"", "cluster:\"a b\",\"\""),
        ("tag:\"a=b\"=c", "tag:\"a=b\"=c"),
        ("cpu_used_ratio>080.0%", "cpu>80%"),
        (
            "<script> 10.0.0.7:80 köln:1 a*b",
            "<script> 10.0.0.7:80 köln:1 a*b",
        ),
        ("seen>5M", "seen>5m"),
    ] {
        assert_eq!(parse(text).to_string(), written, "{text}");
        assert_eq!(parse(written), parse(text), "{text}");
    }
}

#[test]
fn an_error_names_the_token_its_place_and_the_way_out() {
    for (text, token, position, words) in [
        ("web clster:app", "clster", 5, "did you mean `cluster`?"),
        ("mem>80", "mem", 1, "did you mean `memory`"),
        ("zzzzz:1", "zzzzz", 1, "there are cluster, status"),
        ("ü http://x", "http", 3, "go into quotes"),
        ("status:broken", "broken", 8, "one of critical, unknown"),
        ("status:ok,", "", 11, "a value of `status` is missing"),
        ("cluster:", "", 9, "a value of `cluster` is missing"),
        ("cpu:80", "cpu:80", 1, "compare it, such as cpu>5"),
        ("cluster>5", "cluster>5", 1, "write cluster:… instead"),
        ("cpu>much", "much", 5, "is no number; write a number with %"),
        ("disk.free<10parsec", "10parsec", 11, "GiB"),
        ("x \"open", "\"open", 3, "the quote has no end"),
        ("\"a\"b", "b", 4, "a space goes before"),
        ("\"\"", "\"\"", 1, "is empty"),
        ("tag:=x", "", 5, "a tag's name is missing"),
        ("tag:a,b", ",b", 6, "a space goes before"),
        ("cluster:a,!b", ",!b", 10, "write it as its own with -"),
    ] {
        let error = problem(text);
        assert_eq!(
            (error.token.as_str(), error.position),
            (token, position),
            "{text}"
        );
        assert!(error.problem.contains(words), "{text}: {error}");
    }
    assert_eq!(
        problem("web cpu>x").to_string(),
        "`x` at character 9: is no number; write a number with %"
    );
}

#[test]
fn a_filter_is_bounded() {
    let many = vec!["a"; TERMS_MAX].join(" ");
    assert_eq!(parse(&many).terms.len(), TERMS_MAX);
    assert!(
        problem(&format!("{many} b"))
            .problem
            .contains("at most 32 terms")
    );
    let values = vec!["a"; VALUES_MAX].join(",");
    parse(&format!("cluster:{values}"));
    assert!(
        problem(&format!("cluster:{values},b"))
            .problem
            .contains("at most 32 values")
    );
    parse(&"ü".repeat(CHARS_MAX));
    let long = problem(&"ü".repeat(CHARS_MAX + 1));
    assert_eq!((long.position, long.token.as_str()), (CHARS_MAX + 1, "ü"));
}

#[test]
fn menus_replace_what_was_said_by_their_key() {
    let cluster = |name: &str| Condition::Is {
        field: Field::Cluster,
        values: vec![name.to_owned()],
    };
    let filter = parse("web cluster:a -cluster:b cpu>80");
    let only = filter.with_only(cluster("c d"));
    assert_eq!(only.to_string(), "web cpu>80 cluster:\"c d\"");
    assert!(only.says(&cluster("c d")) && !filter.says(&cluster("b")));
    assert_eq!(filter.without_key("cluster").to_string(), "web cpu>80");
    assert_eq!(filter.without(0).to_string(), "cluster:a -cluster:b cpu>80");
    assert_eq!(filter.without(9), filter);
    assert_eq!(filter.words().collect::<Vec<_>>(), ["web"]);
    assert_eq!(filter.metrics().collect::<Vec<_>>(), [Metric::CpuUsedRatio]);
    let both = filter.with_only(Condition::Text("x".into()));
    assert_eq!(both.terms.len(), 5, "words add up");
}

#[test]
fn keys_are_unique_and_are_keys() {
    let mut seen = std::collections::BTreeSet::new();
    for key in keys() {
        assert!(seen.insert(key), "{key} is said twice");
        assert!(
            format!("{key}:x").parse::<Filter>().is_ok()
                || !problem(&format!("{key}:x")).problem.contains("is no key"),
            "{key}"
        );
    }
}

/// Pieces that a filter is made of, in any order: reaches further than letters alone.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "cluster:", "tag:", "tag:a=", "status:", "critical", ",", "cpu", ">", "<=", "!=", "=",
            "80", "%", "GiB", "5m", "seen", "version", "2.4", "-", "!", "\"", "\\", " ", "  ", "*",
            ":", ".", "x", "ü", "\u{2003}", "\n",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,4}",
        "[0-9.]{0,22}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_text_is_a_filter_that_reads_back_or_an_error_inside_it(text in prop_oneof![pieces(), any::<String>()]) {
        match text.parse::<Filter>() {
            Ok(filter) => {
                let written = filter.to_string();
                prop_assert_eq!(written.parse::<Filter>(), Ok(filter.clone()), "{}", written);
                prop_assert_eq!(filter.to_string(), written);
                prop_assert!(filter.terms.len() <= TERMS_MAX);
                filter.matches(&node());
            }
            Err(error) => {
                prop_assert!(error.start <= error.end && error.end <= text.len());
                prop_assert!(text.is_char_boundary(error.start) && text.is_char_boundary(error.end));
                prop_assert!(error.position <= text.chars().count() + 1);
                prop_assert!(!error.problem.is_empty());
            }
        }
    }

    #[test]
    fn any_value_can_be_written(name in any::<String>(), value in any::<String>(), negated in any::<bool>()) {
        let short = |text: &str| text.chars().take(60).collect::<String>();
        let (name, value) = (short(&name), short(&value));
        prop_assume!(!name.is_empty());
        for condition in [
            Condition::Text(name.clone()),
            Condition::Is { field: Field::Cluster, values: vec![value.clone(), name.clone()] },
            Condition::Tag { name: name.clone(), values: vec![value.clone()] },
            Condition::Version { comparison: Comparison::Below, version: value.clone() },
        ] {
            let filter = Filter { terms: vec![Term { is_negated: negated, condition }] };
            prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter.clone()), "{}", filter);
        }
    }

    #[test]
    fn a_contrary_lets_through_exactly_the_rest(text in pieces()) {
        if let Ok(filter) = text.parse::<Filter>() {
            for term in filter.terms {
                let turned = Term { is_negated: !term.is_negated, ..term.clone() };
                let lets = |term: Term| Filter { terms: vec![term] }.matches(&node());
                prop_assert!(lets(term) != lets(turned));
            }
        }
    }
}
