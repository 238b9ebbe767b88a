//! What an XML parser and a browser would not forgive.

/// Elements that HTML never closes.
const VOID: [&str; 3] = ["meta", "link", "br"];

/// Every tag closes in order, attributes are quoted, every `&` begins an entity, no sign XML forbids.
pub fn assert_well_formed(text: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        assert_entities(&rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag that ends");
        let tag = &rest[start + 1..end];
        assert!(tag.matches('"').count().is_multiple_of(2), "an attribute breaks out: <{tag}>");
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap_or_default();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "tags cross at <{tag}>");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name.to_owned());
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "left open: {open:?}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "a control sign");
}

fn assert_entities(text: &str) {
    for (at, _) in text.match_indices('&') {
        let entity = text[at..].split(';').next().unwrap_or_default();
        assert!((3..=8).contains(&entity.len()), "a bare ampersand: {entity:.20}");
    }
}

pub fn assert_well_formed_body(html: &str) {
    let start = html.find("<body>").expect("a body");
    let end = html.find("</body>").expect("an end");
    assert_well_formed(&html[start..end + 7]);
}
