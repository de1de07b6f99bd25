//! Widgets: one a file, each with a style sheet of its name in `style/ui`. They know no screen and call no server.

mod badge;
mod banner;
mod copy;
mod count_bar;
mod empty;
mod field;
mod header;
mod icon;
mod logo;
mod meter;
mod panel;
mod status_mark;
mod tab_stop;
mod time;

pub use badge::{StatusBadge, StatusPill};
pub use banner::{Banner, Tone};
pub use copy::{Copied, CopiedNote, CopyButton};
pub use count_bar::{CountBar, shares};
pub use empty::EmptyState;
pub use field::{FormMessage, TextArea, TextField};
pub use header::PageHeader;
pub use icon::{Icon, IconSprite};
pub use logo::Logo;
pub use meter::{Meter, MeterLevel};
pub use panel::Panel;
pub use status_mark::{StatusMark, status_outline};
pub use tab_stop::tab_stop;
pub use time::{Age, Instant};
