//! Lists as files: cells that no program takes for a formula, answers that a browser saves.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// A row of comma-separated values (RFC 4180), written cell by cell.
pub struct CsvRow<'a> {
    out: &'a mut String,
    is_first: bool,
}

impl<'a> CsvRow<'a> {
    /// Begins a row.
    pub fn new(out: &'a mut String) -> Self {
        Self {
            out,
            is_first: true,
        }
    }

    /// Adds a cell. Text that a spreadsheet would run gets an apostrophe before it; numbers stay numbers.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        if !self.is_first {
            self.out.push(',');
        }
        self.is_first = false;
        let is_formula =
            text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
        let guard = if is_formula { "'" } else { "" };
        if text.contains(['"', ',', '\n', '\r']) {
            let escaped = text.replace('"', "\"\"");
            self.out.push_str(&format!("\"{guard}{escaped}\""));
        } else {
            self.out.push_str(guard);
            self.out.push_str(text);
        }
        self
    }

    /// Ends the row.
    pub fn end(self) {
        self.out.push_str("\r\n");
    }
}

/// An answer that is saved under `name`, which is one of ours.
pub fn attachment(media_type: &'static str, name: &'static str, text: String) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells() {
        let mut out = String::new();
        CsvRow::new(&mut out)
            .text("a,\"b\"")
            .text("=1+1")
            .text("-3.5")
            .text("")
            .text("@x, y")
            .end();
        assert_eq!(out, "\"a,\"\"b\"\"\",'=1+1,-3.5,,\"'@x, y\"\r\n");
    }
}
