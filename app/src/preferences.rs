//! How somebody likes their pages: small cookies, read by the server before it renders and by the browser before it takes
//! over, so that both draw the same.
//!
//! Invariant: what is not one of the values that are offered counts as not said. `POST /preferences` writes them; it takes
//! the same lists ([`Preferences::accepts`]).

use crate::format;

/// Light, dark, or as the operating system has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the operating system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// In the order of the switch.
    pub const ALL: [Theme; 3] = [Theme::System, Theme::Light, Theme::Dark];
    /// Cookie and form field that carry it.
    pub const KEY: &str = "theme";

    /// As in the cookie and the form.
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// As on the switch.
    pub fn label(self) -> &'static str {
        match self {
            Theme::System => "System",
            Theme::Light => "Light",
            Theme::Dark => "Dark",
        }
    }

    /// Anything else counts as [`Theme::System`].
    pub fn from_name(name: &str) -> Self {
        Theme::ALL
            .into_iter()
            .find(|theme| theme.as_str() == name)
            .unwrap_or_default()
    }

    /// From a `Cookie` header.
    pub fn from_cookies(header: &str) -> Self {
        header
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == Theme::KEY)
            .map(|(_, value)| Theme::from_name(value))
            .unwrap_or_default()
    }

    /// Of the request that is being answered.
    #[cfg(feature = "ssr")]
    pub fn of_request() -> Self {
        leptos::prelude::use_context::<http::request::Parts>()
            .and_then(|parts| {
                parts
                    .headers
                    .get(http::header::COOKIE)
                    .and_then(|v| v.to_str().ok())
                    .map(Self::from_cookies)
            })
            .unwrap_or_default()
    }
}

/// Which clock times are written by: minutes east of UTC, 0 for UTC itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Zone(pub i32);

impl Zone {
    /// The easternmost and westernmost offsets in use.
    const OFFSETS_MIN: std::ops::RangeInclusive<i32> = -720..=840;

    /// `utc`, or minutes east of it.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "utc" {
            return Some(Zone(0));
        }
        let minutes: i32 = text.parse().ok()?;
        (Self::OFFSETS_MIN.contains(&minutes) && minutes % 15 == 0).then_some(Zone(minutes))
    }

    /// As [`Zone::parse`] reads it.
    pub fn value(self) -> String {
        match self.0 {
            0 => "utc".to_owned(),
            minutes => minutes.to_string(),
        }
    }

    /// As written after times: `UTC`, `UTC+01:00`.
    pub fn name(self) -> String {
        if self.0 == 0 {
            return "UTC".to_owned();
        }
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }

    /// The instant whose fields in UTC are the fields of `at_ms` on this clock.
    pub fn shifted_ms(self, at_ms: i64) -> i64 {
        at_ms.saturating_add(i64::from(self.0) * 60_000)
    }
}

/// How much room rows take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Density {
    /// As tables are read best.
    #[default]
    Compact,
    /// With air.
    Comfortable,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preferences {
    /// Light, dark, or as the system has it.
    pub theme: Theme,
    /// Which clock.
    pub zone: Zone,
    /// Networks in bytes, not bits.
    pub network_bytes: bool,
    /// How much room rows take.
    pub density: Density,
    /// Do single keys do things?
    pub keys: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            theme: Theme::System,
            zone: Zone(0),
            network_bytes: false,
            density: Density::Compact,
            keys: true,
        }
    }
}

impl Preferences {
    /// Cookies and form fields that carry them.
    pub const KEYS: [&str; 5] = ["theme", "zone", "network", "density", "keys"];

    /// May this cookie have this value?
    pub fn accepts(key: &str, value: &str) -> bool {
        match key {
            "theme" => Theme::ALL.iter().any(|theme| theme.as_str() == value),
            "zone" => Zone::parse(value).is_some(),
            "network" => matches!(value, "bits" | "bytes"),
            "density" => matches!(value, "compact" | "comfortable"),
            "keys" => matches!(value, "on" | "off"),
            _ => false,
        }
    }

    /// From a `Cookie` header, or what a document says of its cookies.
    pub fn from_cookies(header: &str) -> Self {
        let find = |key: &str| {
            header
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='))
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value)
        };
        Self {
            theme: Theme::from_cookies(header),
            zone: find("zone").and_then(Zone::parse).unwrap_or_default(),
            network_bytes: find("network") == Some("bytes"),
            density: if find("density") == Some("comfortable") {
                Density::Comfortable
            } else {
                Density::Compact
            },
            keys: find("keys") != Some("off"),
        }
    }

    /// Of the request that is being answered, or of the browser.
    pub fn current() -> Self {
        #[cfg(feature = "hydrate")]
        {
            let cookies = js_sys::Reflect::get(&leptos::prelude::document(), &"cookie".into());
            let cookies = cookies.ok().and_then(|text| text.as_string());
            Self::from_cookies(&cookies.unwrap_or_default())
        }
        #[cfg(all(feature = "ssr", not(feature = "hydrate")))]
        {
            leptos::prelude::use_context::<http::request::Parts>()
                .and_then(|parts| {
                    let header = parts.headers.get(http::header::COOKIE)?;
                    header.to_str().ok().map(Self::from_cookies)
                })
                .unwrap_or_default()
        }
        #[cfg(not(any(feature = "ssr", feature = "hydrate")))]
        Self::default()
    }

    /// Of the page that is being drawn.
    pub fn of_page() -> Self {
        leptos::prelude::use_context().unwrap_or_default()
    }
}

/// A network's rate as its reader likes it, from bytes per second.
pub fn network_rate(bytes_per_s: f64) -> String {
    if Preferences::of_page().network_bytes {
        format::bytes_per_s(bytes_per_s)
    } else {
        format::bits_per_s(bytes_per_s)
    }
}

/// `2026-11-22 03:12:07 UTC`, on the reader's clock.
pub fn instant(at_ms: i64) -> String {
    let c = on_clock(at_ms);
    format!(
        "{:04}-{:02}-{:02} {}",
        c.year,
        c.month,
        c.day,
        time_of_day(at_ms)
    )
}

/// `03:12:07 UTC`, on the reader's clock.
pub fn time_of_day(at_ms: i64) -> String {
    let c = on_clock(at_ms);
    let zone = Preferences::of_page().zone.name();
    format!("{:02}:{:02}:{:02} {zone}", c.hour, c.minute, c.second)
}

/// Calendar fields on the reader's clock.
pub fn on_clock(at_ms: i64) -> domain::time::Civil {
    let zone = Preferences::of_page().zone;
    domain::time::civil(domain::time::Timestamp(zone.shifted_ms(at_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_read_and_nonsense_is_not() {
        let read = Preferences::from_cookies(
            "a=b; zone=60; theme=dark; network=bytes; density=comfortable; keys=off",
        );
        assert_eq!(
            read,
            Preferences {
                theme: Theme::Dark,
                zone: Zone(60),
                network_bytes: true,
                density: Density::Comfortable,
                keys: false,
            }
        );
        assert_eq!(
            Preferences::from_cookies("zone=99999; zone=7; network=x; density=; keys=maybe"),
            Preferences::default()
        );
    }

    #[test]
    fn zones_have_names_that_say_how_far() {
        for (text, name) in [
            ("utc", "UTC"),
            ("60", "UTC+01:00"),
            ("-210", "UTC-03:30"),
            ("845", ""),
            ("61", ""),
            ("x", ""),
        ] {
            assert_eq!(
                Zone::parse(text).map(Zone::name).unwrap_or_default(),
                name,
                "{text}"
            );
            assert_eq!(
                Zone::parse(text).is_some(),
                Preferences::accepts("zone", text),
                "{text}"
            );
        }
        assert_eq!(Zone(60).value(), "60");
        assert_eq!(Zone(0).value(), "utc");
        assert_eq!(Zone(60).shifted_ms(0), 3_600_000);
    }

    #[test]
    fn the_theme_is_one_cookie_among_others() {
        for (header, theme) in [
            ("theme=dark", Theme::Dark),
            ("session=abc; theme=light; x=y", Theme::Light),
            ("mytheme=dark", Theme::System),
            ("theme=purple", Theme::System),
            ("", Theme::System),
        ] {
            assert_eq!(Theme::from_cookies(header), theme, "{header}");
        }
    }
}
