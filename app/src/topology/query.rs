//! What the map's URL says, and URLs that say something else: every view, focus and filter is a link or a plain form.

use domain::time::{Timestamp, format_iso, parse_iso_ms};

use super::view::{Color, Group, Reach, TopologyQuery, View};
use crate::url::with_query;

/// Sizes that may be chosen, percent.
pub const ZOOMS: [u16; 5] = [50, 75, 100, 150, 200];

impl View {
    /// As in the URL.
    pub fn as_str(self) -> &'static str {
        match self {
            View::Graph => "graph",
            View::Cells => "cells",
            View::Table => "table",
        }
    }
}

impl Color {
    /// All, as they are offered.
    pub const ALL: [Self; 6] = [
        Color::Status,
        Color::Cpu,
        Color::Memory,
        Color::Disk,
        Color::Version,
        Color::Age,
    ];

    /// As in the URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Color::Status => "status",
            Color::Cpu => "cpu",
            Color::Memory => "memory",
            Color::Disk => "disk",
            Color::Version => "version",
            Color::Age => "age",
        }
    }

    /// As on pages.
    pub fn label(self) -> &'static str {
        match self {
            Color::Status => "Status",
            Color::Cpu => "CPU",
            Color::Memory => "Memory",
            Color::Disk => "Fullest disk",
            Color::Version => "Version",
            Color::Age => "Age of report",
        }
    }
}

impl Group {
    /// From the URL.
    pub fn parse(text: &str) -> Self {
        match text {
            "system" => Group::System,
            "environment" => Group::Environment,
            other => match other.strip_prefix("tag:") {
                Some(tag) if !tag.is_empty() => Group::Tag(tag.to_owned()),
                _ => Group::Auto,
            },
        }
    }

    /// As in the URL; empty when nothing was said.
    pub fn to_text(&self) -> String {
        match self {
            Group::Auto => String::new(),
            Group::System => "system".to_owned(),
            Group::Environment => "environment".to_owned(),
            Group::Tag(tag) => format!("tag:{tag}"),
        }
    }

    /// As on pages: what one group is.
    pub fn label(&self) -> &str {
        match self {
            Group::Auto => "cluster",
            Group::System => "system",
            Group::Environment => "environment",
            Group::Tag(tag) => tag,
        }
    }
}

impl TopologyQuery {
    /// From the URL's parameters; what is not understood counts as not said, and is kept to be told.
    pub fn from_params(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |key: &str| {
            get(key)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let view = match text("view").as_str() {
            "cells" => View::Cells,
            "table" => View::Table,
            _ => View::Graph,
        };
        let mut new = Self {
            plain: false,
            strange: Vec::new(),
            view,
            system: text("system"),
            focus: text("focus")
                .strip_prefix("c:")
                .unwrap_or_default()
                .to_owned(),
            depth: text("depth").parse().unwrap_or(1).clamp(1, 3),
            reach: if text("reach") == "callers" {
                Reach::Callers
            } else {
                Reach::Both
            },
            only_problems: text("only") == "problems",
            find: text("find"),
            hide: text("hide"),
            zoom: text("zoom")
                .parse()
                .ok()
                .filter(|zoom| ZOOMS.contains(zoom))
                .unwrap_or(0),
            color: Color::ALL
                .into_iter()
                .find(|color| color.as_str() == text("color"))
                .unwrap_or_default(),
            group: Group::parse(&text("group")),
            within: text("within"),
            at_ms: parse_iso_ms(&text("to")),
        };
        // Whatever says something must say it again in the URL of what was understood.
        let said = [
            ("view", new.view.as_str().to_owned()),
            ("focus", format!("c:{}", new.focus)),
            ("depth", new.depth.to_string()),
            (
                "reach",
                if new.reach == Reach::Callers {
                    "callers"
                } else {
                    "both"
                }
                .to_owned(),
            ),
            (
                "only",
                if new.only_problems { "problems" } else { "" }.to_owned(),
            ),
            ("zoom", new.zoom.to_string()),
            ("color", new.color.as_str().to_owned()),
            ("group", new.group.to_text()),
            ("to", new.at_ms.map_or(String::new(), |_| text("to"))),
        ];
        for (key, understood) in said {
            let asked = text(key);
            if !asked.is_empty() && asked != understood {
                new.strange.push(format!("{key}={asked}"));
            }
        }
        new
    }

    /// The URL that says this; defaults are left out.
    pub fn url(&self) -> String {
        let focus = if self.focus.is_empty() {
            String::new()
        } else {
            format!("c:{}", self.focus)
        };
        let depth = if self.focus.is_empty() || self.depth <= 1 {
            String::new()
        } else {
            self.depth.to_string()
        };
        let reach = match self.reach {
            Reach::Callers if !self.focus.is_empty() => "callers",
            _ => "",
        };
        let view = match self.view {
            View::Graph => "",
            other => other.as_str(),
        };
        let zoom = if self.zoom == 0 {
            String::new()
        } else {
            self.zoom.to_string()
        };
        let color = match self.color {
            Color::Status => "",
            other => other.as_str(),
        };
        let at = self
            .at_ms
            .map(|at_ms| format_iso(Timestamp(at_ms)))
            .unwrap_or_default();
        with_query(
            "/topology",
            &[
                ("view", view),
                ("system", &self.system),
                ("focus", &focus),
                ("depth", &depth),
                ("reach", reach),
                ("only", if self.only_problems { "problems" } else { "" }),
                ("find", &self.find),
                ("hide", &self.hide),
                ("zoom", &zoom),
                ("color", color),
                ("group", &self.group.to_text()),
                ("within", &self.within),
                ("to", &at),
            ],
        )
    }

    /// Another view of the same.
    pub fn seen_as(&self, view: View) -> Self {
        Self {
            view,
            ..self.clone()
        }
    }

    /// With this cluster in focus; none when empty.
    pub fn focused_on(&self, cluster: &str) -> Self {
        Self {
            focus: cluster.to_owned(),
            depth: 1,
            reach: Reach::Both,
            ..self.clone()
        }
    }

    /// Everything that depends on the focus, at most so many calls away.
    pub fn dependants(&self, depth: u8) -> Self {
        Self {
            depth,
            reach: Reach::Callers,
            ..self.clone()
        }
    }

    /// In another size.
    pub fn zoomed(&self, zoom: u16) -> Self {
        Self {
            zoom,
            ..self.clone()
        }
    }

    /// The next size in a direction; from one that fits the page, the natural one.
    pub fn zoom_step(&self, is_larger: bool) -> u16 {
        let now = if self.zoom == 0 { 100 } else { self.zoom };
        let next = if is_larger {
            ZOOMS.into_iter().find(|zoom| *zoom > now)
        } else {
            ZOOMS.into_iter().rev().find(|zoom| *zoom < now)
        };
        next.unwrap_or(now)
    }

    /// Only the clusters of one group.
    pub fn inside(&self, group: Group, name: &str) -> Self {
        Self {
            group,
            within: name.to_owned(),
            ..self.clone()
        }
    }

    /// The same now.
    pub fn now(&self) -> Self {
        Self {
            at_ms: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> TopologyQuery {
        let pairs: Vec<(String, String)> = url
            .split_once('?')
            .map_or("", |(_, query)| query)
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| {
                (
                    key.to_owned(),
                    value.replace("%20", " ").replace("%3A", ":"),
                )
            })
            .collect();
        TopologyQuery::from_params(|key| {
            let found = pairs.iter().find(|(of, _)| of == key);
            found.map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn urls_say_what_was_read_from_them() {
        for url in [
            "/topology",
            "/topology?view=cells&system=shop-prod&only=problems",
            "/topology?focus=c:app-eu&depth=3&reach=callers&find=db%20mq&hide=test&zoom=150",
            "/topology?view=table",
            "/topology?color=disk&group=tag:region&within=eu&to=2026-11-22T03:12:07Z",
            "/topology?group=environment",
        ] {
            assert_eq!(read(url).url(), url);
            assert!(read(url).strange.is_empty(), "{url}");
        }
    }

    #[test]
    fn what_is_not_understood_counts_as_not_said() {
        let wrong = "view=3d&focus=app&depth=9&reach=sideways&only=joy&zoom=7&color=mood&group=tag:&to=noon";
        let query = read(&format!("/topology?{wrong}"));
        assert_eq!(query.url(), "/topology");
        assert_eq!(query.strange.join("&"), wrong);
    }

    #[test]
    fn sizes_go_step_by_step_and_stop_at_the_ends() {
        let steps = |zoom: u16| {
            let query = TopologyQuery {
                zoom,
                ..TopologyQuery::default()
            };
            (query.zoom_step(false), query.zoom_step(true))
        };
        assert_eq!(steps(0), (75, 150));
        assert_eq!(steps(50), (50, 75));
        assert_eq!(steps(200), (150, 200));
    }

    #[test]
    fn a_new_focus_forgets_the_reach_of_the_old() {
        let query = read("/topology?focus=c:a&depth=3&reach=callers&find=x");
        assert_eq!(query.focused_on("b").url(), "/topology?focus=c:b&find=x");
        assert_eq!(query.focused_on("").url(), "/topology?find=x");
        assert_eq!(
            query.focused_on("b").dependants(3).url(),
            "/topology?focus=c:b&depth=3&reach=callers&find=x"
        );
    }
}
