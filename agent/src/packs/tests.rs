use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

struct Fake {
    command_line: String,
    files: BTreeMap<String, String>,
}

impl Look for Fake {
    fn command_line(&self) -> &str {
        &self.command_line
    }

    fn file(&mut self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }
}

fn fake(command_line: &[&str], files: &[(&str, &str)]) -> Fake {
    Fake {
        command_line: command_line.join("\n"),
        files: files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect(),
    }
}

fn built_in(name: &str) -> Pack {
    let packs = Packs::built_in();
    assert_eq!(packs.refused, [] as [String; 0]);
    packs
        .in_force
        .into_iter()
        .find(|pack| pack.name == name)
        .unwrap()
}

/// Home, version, cluster, role, sub-domain, offset.
type Told = [Option<String>; 6];

fn told(pack: &Pack, program: &str, look: &mut Fake) -> Option<Told> {
    if !pack.detect.allows_program(program) {
        return None;
    }
    let home = pack.detect.matches(&look.command_line, None)?;
    Some([
        home.or_else(|| find(&pack.home, look)),
        find(&pack.version, look),
        find(&pack.cluster, look),
        find(&pack.role, look),
        find(&pack.sub_domain, look),
        find(&pack.offset, look),
    ])
}

fn texts(told: [&str; 6]) -> Option<Told> {
    Some(told.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty())))
}

const AXIS2: &str = r#"<axisconfig>
  <!-- <clustering class="x" enable="false"> <parameter name="domain">commented.out</parameter> -->
  <clustering class="org.wso2.carbon.core.clustering.hazelcast.HazelcastClusteringAgent"
              enable="true">
    <parameter name="domain">wso2.as.domain</parameter>
    <parameter name="properties">
      <property name="backendServerURL" value="https://${hostName}:${httpsPort}/services/"/>
      <property name="subDomain" value="worker"/>
    </parameter>
  </clustering>
</axisconfig>"#;

#[test]
fn carbon_is_told_from_its_own_files() {
    let pack = built_in("carbon");
    let java = [
        "/usr/bin/java",
        "-Xmx1g",
        "-Dcarbon.home=/opt/wso2 as",
        "org.wso2.carbon.bootstrap.Bootstrap",
    ];
    let version = ("bin/version.txt", "WSO2 Application Server v5.3.0\n");
    let carbon = (
        "repository/conf/carbon.xml",
        "<Server><!--<Offset>9</Offset>--><Ports><Offset>2</Offset></Ports></Server>",
    );
    let off = AXIS2.replace("enable=\"true\"", "enable=\"false\"");
    for (args, files, wanted) in [
        (
            &[][..],
            vec![version, carbon, ("repository/conf/axis2/axis2.xml", AXIS2)],
            texts([
                "/opt/wso2 as",
                "5.3.0",
                "wso2.as.domain",
                "worker",
                "worker",
                "2",
            ]),
        ),
        (
            &["-DworkerNode=true"],
            vec![version],
            texts(["/opt/wso2 as", "5.3.0", "", "worker", "", ""]),
        ),
        (
            &["-Dprofile=gateway-worker", "-DportOffset=7"],
            vec![carbon],
            texts(["/opt/wso2 as", "", "", "gateway-worker", "", "7"]),
        ),
        (
            &[],
            vec![("repository/conf/axis2/axis2.xml", off.as_str())],
            texts(["/opt/wso2 as", "", "", "", "", ""]),
        ),
        (
            &[],
            vec![("repository/conf/deployment.toml", "[server]\noffset = 3\n")],
            texts(["/opt/wso2 as", "", "", "", "", "3"]),
        ),
    ] {
        let line = [&java[..], args].concat();
        assert_eq!(
            told(&pack, "java", &mut fake(&line, &files)),
            wanted,
            "{args:?}"
        );
    }
    assert_eq!(
        told(
            &pack,
            "java",
            &mut fake(&["java", "-jar", "x.jar", "carbon.home=/x"], &[])
        ),
        None
    );
    assert_eq!(told(&pack, "sh", &mut fake(&java, &[])), None);
}

#[test]
fn tomcat_is_told_and_carbon_is_not_one() {
    let pack = built_in("tomcat");
    let notes = (
        "RELEASE-NOTES",
        "\n                     Apache Tomcat Version 9.0.71\n                            Release Notes\n",
    );
    for (line, files, wanted) in [
        (
            vec![
                "java",
                "-Dcatalina.base=/srv/t1",
                "-Dcatalina.home=/srv/t1",
                "org.apache.catalina.startup.Bootstrap",
                "start",
            ],
            vec![notes],
            texts(["/srv/t1", "9.0.71", "", "", "", ""]),
        ),
        (
            vec![
                "java",
                "-Dcatalina.base=/var/lib/tomcat10",
                "-Dcatalina.home=/usr/share/tomcat10",
            ],
            vec![],
            texts(["/var/lib/tomcat10", "10", "", "", "", ""]),
        ),
        (
            vec![
                "java",
                "-Dcarbon.home=/opt/c",
                "-Dcatalina.base=/opt/c/lib/tomcat",
            ],
            vec![],
            None,
        ),
        (vec!["java", "-jar", "app.jar"], vec![], None),
    ] {
        assert_eq!(
            told(&pack, "java", &mut fake(&line, &files)),
            wanted,
            "{line:?}"
        );
    }
    let server = r#"<Server port="8005"><Service><!-- <Connector port="8443" protocol="HTTP/1.1"/> -->
        <Connector port="8090" protocol="HTTP/1.1"
               connectionTimeout="20000" /></Service></Server>"#;
    let mut look = fake(&["java"], &[("conf/server.xml", server)]);
    let Some(PortSource::Found(source)) = pack.ports["http"].first() else {
        panic!("{:?}", pack.ports);
    };
    assert_eq!(find_one(source, &mut look).as_deref(), Some("8090"));
}

#[test]
fn nginx_postgresql_and_haproxy_are_told() {
    for (pack, program, line, files, wanted) in [
        (
            "nginx",
            "nginx",
            vec!["nginx: master process /usr/sbin/nginx -g daemon on; master_process on;"],
            vec![],
            texts(["/etc/nginx", "", "", "", "", ""]),
        ),
        (
            "nginx",
            "nginx",
            vec!["nginx: master process nginx -c /srv/edge/nginx.conf"],
            vec![],
            texts(["/srv/edge", "", "", "", "", ""]),
        ),
        (
            "nginx",
            "nginx",
            vec!["nginx: master process nginx -p /srv/edge2/"],
            vec![],
            texts(["/srv/edge2", "", "", "", "", ""]),
        ),
        (
            "nginx",
            "nginx",
            vec!["nginx: worker process"],
            vec![],
            None,
        ),
        (
            "postgresql",
            "postgres",
            vec![
                "/usr/lib/postgresql/15/bin/postgres",
                "-D",
                "/var/lib/postgresql/15/main",
                "-c",
                "config_file=/x",
            ],
            vec![("PG_VERSION", "15\n")],
            texts(["/var/lib/postgresql/15/main", "15", "", "", "", ""]),
        ),
        (
            "postgresql",
            "postgres",
            vec!["/usr/lib/postgresql/13/bin/postgres", "-D/data/pg"],
            vec![],
            texts(["/data/pg", "13", "", "", "", ""]),
        ),
        (
            "postgresql",
            "postgres",
            vec!["postgres: 15/main: checkpointer "],
            vec![],
            None,
        ),
        (
            "haproxy",
            "haproxy",
            vec![
                "/usr/sbin/haproxy",
                "-Ws",
                "-f",
                "/etc/haproxy/haproxy.cfg",
                "-p",
                "/run/haproxy.pid",
            ],
            vec![],
            texts(["/etc/haproxy", "", "", "", "", ""]),
        ),
    ] {
        assert_eq!(
            told(&built_in(pack), program, &mut fake(&line, &files)),
            wanted,
            "{line:?}"
        );
    }
}

#[test]
fn what_is_found_is_defused_and_bounded() {
    let pack = built_in("tomcat");
    let hostile = "Apache Tomcat Version 9\u{202E}\n";
    let mut look = fake(
        &["java", "-Dcatalina.base=/t"],
        &[("RELEASE-NOTES", hostile)],
    );
    assert_eq!(find(&pack.version, &mut look).as_deref(), Some("9"));
    let text = r#"name = "a"
        [detect]
        unit = "a.service"
        [version]
        command_line = '^v=(.*)$'"#;
    let pack = parse(text, Origin::Agent).unwrap();
    let mut look = fake(&["v=1\u{1b}[31m"], &[]);
    assert_eq!(
        find(&pack.version, &mut look).as_deref(),
        Some("1\u{FFFD}[31m")
    );
    let long = format!("v={}", "x".repeat(500));
    assert_eq!(
        find(&pack.version, &mut fake(&[&long], &[])).map(|v| v.len()),
        None
    );
}

#[test]
fn every_mistake_is_told_with_its_line_what_stands_there_and_the_way_out() {
    let problems = parse(
        r#"name = "Bad Name"
colour = "red"
product = "a\u202Eb"
[detect]
process = '(unclosed'
not = 5
[home]
file = "../../etc/shadow"
pattern = 'x'
[version]
file = "v.txt"
pattern = 'no group'
[cluster]
file = "a"
[role]
command_line = '(a{1000}){1000}'
[ports]
http = 70000
other = { listening = false }
[console]
url = "javascript:x"
port = "nope"
[probe]
scheme = "https"
path = "a b"
code = "900"
timeout = "1h"
"#,
        Origin::Host("x.toml"),
    )
    .unwrap_err()
    .join("\n");
    for part in [
        "line 1: `name = \"Bad Name\"` must be 1 to 32 of a-z",
        "line 2: `colour = \"red\"` is not known; known are name, product",
        "line 3: `product = \"a\\u202Eb\"` must be visible text",
        "line 5: `process = '(unclosed'` is not a pattern that can be used",
        "line 6: `not = 5` must be a pattern in quotes",
        "line 8: `file = \"../../etc/shadow\"` must be beneath the server's home",
        "has no group",
        "`cluster = ",
        "must be `file` and `pattern`",
        "line 16: `command_line = '(a{1000}){1000}'` is not a pattern that can be used",
        "line 18: `http = 70000` must be from 1 to 65535",
        "line 19: `other = { listening = false }` must be `{ listening = true }`",
        "line 22: `port = \"nope\"` must be a name from [ports]; there are: http, other",
        "line 24: `scheme = \"https\"` is not supported",
        "`probe = ",
        "has no `port`",
        "line 25: `path = \"a b\"` must begin with /",
        "line 26: `code = \"900\"` must be a status",
        "line 27: `timeout = \"1h\"` must be from",
    ] {
        assert!(problems.contains(part), "{part}\nis not in\n{problems}");
    }
    for (text, part) in [
        ("name = \"a\"\n", "there is no [detect]"),
        (
            "name = \"a\"\n[detect]\nprogram = \"x\"\n",
            "must name a `process` pattern or a `unit`",
        ),
        (
            "name = \"a\"\n[detect]\nprocess = 'x'\n",
            "cannot be told apart",
        ),
        (
            "name = \"host\"\n[detect]\nunit = \"x\"\n",
            "and not \"host\"",
        ),
        ("name = \n", "line 1 is not TOML"),
    ] {
        let problems = parse(text, Origin::Agent).unwrap_err().join("\n");
        assert!(problems.contains(part), "{part}\nis not in\n{problems}");
    }
}

#[test]
fn a_wrong_pack_leaves_the_others_in_force() {
    let own = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let billing = "name = \"billing\"\n[detect]\nunit = \"bill-*.service\"\n";
    let texts = folder::Texts {
        packs: vec![
            own(
                "a.toml",
                "name = \"tomcat\"\n[detect]\nunit = \"tomcat*.service\"\n",
            ),
            own("b.toml", "name = 5"),
            own("c.toml", billing),
            own("d.toml", billing),
        ],
        refused: vec!["e.toml is a link".to_owned()],
    };
    let packs = Packs::with(texts, &[]);
    let names: Vec<&str> = packs
        .in_force
        .iter()
        .map(|pack| pack.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "tomcat",
            "billing",
            "carbon",
            "nginx",
            "postgresql",
            "haproxy"
        ]
    );
    let refused = packs.refused.join("\n");
    for part in [
        "e.toml is a link",
        "b.toml: line 1: `name = 5`",
        "d.toml: `name = \"billing\"` is taken by c.toml",
    ] {
        assert!(refused.contains(part), "{part} is not in {refused}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_pack_or_problems(text in any::<String>(), key in "(name|detect|version|ports|probe|console)", value in ".{0,60}") {
        for text in [text, format!("{key} = {value}"), format!("[{key}]\n{value} = {value:?}"), format!("name = \"a\"\n[detect]\nprocess = {value:?}")] {
            if let Err(problems) = parse(&text, Origin::Agent) {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(!problem.is_empty() && !problem.chars().any(domain::text::is_deceptive));
                }
            }
        }
    }
}

#[test]
fn packs_of_the_server_only_match_and_label_and_come_last() {
    let served = |file: &str, text: &str| ServedPack {
        file: file.to_owned(),
        text: text.to_owned(),
    };
    let labels = "name = \"shop\"\nproduct = \"Shop\"\n[detect]\nprocess = '^-Dshop=(?<home>.+)$'\n[[role]]\ncommand_line = '^-Drole=main$'\nvalue = \"main\"\n[[cluster]]\nvalue = \"shop\"\n[ports]\nhttp = 8080\n";
    let unit = "name = \"billing\"\n[detect]\nunit = [\"billing.service\"]\n";
    let packs = Packs::with(
        folder::Texts {
            packs: vec![("own.toml".to_owned(), unit.to_owned())],
            refused: Vec::new(),
        },
        &[
            served("shop.toml", labels),
            served("billing.toml", unit),
            served(
                "nginx.toml",
                "name = \"nginx\"\n[detect]\nunit = \"nginx.service\"\n",
            ),
            served(
                "file.toml",
                &labels.replace("value = \"shop\"", "file = \"a\"\npattern = '(.)'"),
            ),
            served(
                "reads.toml",
                &labels.replace("-Drole=main$'\nvalue = \"main\"", "-Dpassword=(.+)$'"),
            ),
            served("probe.toml", &format!("{labels}[probe]\nport = \"http\"\n")),
        ],
    );
    let names: Vec<&str> = packs
        .in_force
        .iter()
        .map(|pack| pack.name.as_str())
        .collect();
    assert_eq!(
        (names.first(), names.last()),
        (Some(&"billing"), Some(&"shop"))
    );
    assert_eq!(names.len(), BUILT_IN.len() + 2);
    let refused = packs.refused.join("\n");
    for part in [
        "billing.toml of the server: `name = \"billing\"` is taken by own.toml",
        "nginx.toml of the server: `name = \"nginx\"` is taken by the agent's own",
        "file.toml of the server: line 9: `file = \"a\"` is not followed from the server",
        "reads.toml of the server: line 6: `command_line = '^-Dpassword=(.+)$'` is not followed from the server",
        "probe.toml of the server: line 12: `probe = ",
    ] {
        assert!(refused.contains(part), "{part} is not in\n{refused}");
    }
    // On the host all of it may be said.
    let on_host = format!("{labels}[probe]\nport = \"http\"\n");
    assert!(parse(&on_host, Origin::Host("shop.toml")).is_ok());
}

#[test]
fn any_command_line_and_files_are_read() {
    const FILES: [&str; 5] = [
        "RELEASE-NOTES",
        "PG_VERSION",
        "bin/version.txt",
        "repository/conf/axis2/axis2.xml",
        "conf/server.xml",
    ];
    // Built once: patterns are slow to build without optimisation.
    let packs = Packs::built_in();
    proptest!(|(line in any::<String>(), file in any::<String>())| {
        let mut look = Fake {
            command_line: line.clone(),
            files: FILES.iter().map(|path| ((*path).to_owned(), file.clone())).collect(),
        };
        for pack in &packs.in_force {
            let _ = pack.detect.matches(&line, Some(&line));
            for sources in [&pack.home, &pack.version, &pack.cluster, &pack.role, &pack.sub_domain, &pack.offset] {
                if let Some(found) = find(sources, &mut look) {
                    prop_assert!(found.len() <= FOUND_BYTES_MAX && !found.chars().any(domain::text::is_deceptive));
                }
            }
        }
    });
}
