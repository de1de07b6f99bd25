//! Finding things by a few letters: the command palette, and the same as a page that needs no scripts.

pub mod api;
mod page;
mod palette;
pub mod view;

pub use page::SearchPage;
pub use palette::{Palette, PaletteState, SearchButton};
