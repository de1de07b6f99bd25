//! Writing query strings: the same bytes on the server and in the browser.

/// Percent-encodes what is not unreserved (RFC 3986, section 2.3).
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// As [`encode`], but leaves what means nothing within a query (RFC 3986, section 3.4), so that filters stay legible.
fn encode_value(text: &str) -> String {
    let legible = |text: String, code: &str, mark: &str| text.replace(code, mark);
    let text = legible(encode(text), "%3A", ":");
    let text = legible(text, "%2C", ",");
    legible(text, "%2A", "*")
}

/// `path?key=value&…`, without the pairs whose value is empty.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut url = path.to_owned();
    let mut separator = '?';
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        url.push(separator);
        url.push_str(key);
        url.push('=');
        url.push_str(&encode_value(value));
        separator = '&';
    }
    url
}

/// A path with its query, which the router gives without the `?` before it.
pub fn whole(path: &str, search: &str) -> String {
    if search.is_empty() {
        path.to_owned()
    } else {
        [path, "?", search.trim_start_matches('?')].concat()
    }
}

/// The page of a node.
pub fn node(id: &str) -> String {
    format!("/nodes/{}", encode(id))
}

/// The page of a system.
pub fn system(slug: &str) -> String {
    format!("/systems/{}", encode(slug))
}

/// The page of a cluster.
pub fn cluster(slug: &str) -> String {
    format!("/clusters/{}", encode(slug))
}

/// The sign-in page that leads back to `next`.
pub fn login(next: &str) -> String {
    with_query("/login", &[("next", next)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        assert_eq!(
            with_query("/nodes", &[("q", "a b&c=<ü>"), ("sort", ""), ("page", "2")]),
            "/nodes?q=a%20b%26c%3D%3C%C3%BC%3E&page=2"
        );
        assert_eq!(with_query("/nodes", &[("q", "")]), "/nodes");
        assert_eq!(
            with_query("/nodes", &[("q", "status:a,b name:*%3A")]),
            "/nodes?q=status:a,b%20name:*%253A"
        );
        assert_eq!(whole("/nodes", "q=a&page=2"), "/nodes?q=a&page=2");
        assert_eq!(whole("/nodes", "?q=a"), "/nodes?q=a");
        assert_eq!(whole("/nodes", ""), "/nodes");
        assert_eq!(node("n1/../x"), "/nodes/n1%2F..%2Fx");
        assert_eq!(login("/nodes?q=1"), "/login?next=%2Fnodes%3Fq%3D1");
    }
}
