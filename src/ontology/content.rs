//! What kind of thing a shared web address leads to, told by the address alone.

use url::Url;

/// Hosts whose every page is of one kind; their sub-domains count as them.
const HOSTS: [(&str, &str); 9] = [
    ("youtube.com", "video"),
    ("youtu.be", "video"),
    ("vimeo.com", "video"),
    ("tiktok.com", "video"),
    ("twitch.tv", "video"),
    ("soundcloud.com", "audio"),
    ("mixcloud.com", "audio"),
    ("spotify.com", "audio"),
    ("bandcamp.com", "audio"),
];

/// Endings of files that are their own kind.
const ENDINGS: [(&str, &[&str]); 3] = [
    ("image", &["jpg", "jpeg", "png", "gif", "webp", "avif"]),
    ("video", &["mp4", "mov", "webm"]),
    ("audio", &["mp3", "wav", "flac", "ogg", "m4a"]),
];

/// `post`, `reel` or `story` on Instagram; `image`, `video` or `audio` by host or ending; else `page`.
pub fn content_kind(url: &str) -> &'static str {
    let Ok(url) = Url::parse(url) else { return "page" };
    let host = url.host_str().unwrap_or_default();
    let is_at =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let segments: Vec<&str> = url.path_segments().into_iter().flatten().collect();
    if is_at("instagram.com") {
        // A post may stand below the name of its author.
        let kind = segments.iter().take(2).find_map(|segment| match *segment {
            "p" => Some("post"),
            "reel" | "reels" => Some("reel"),
            "tv" => Some("video"),
            "stories" => Some("story"),
            _ => None,
        });
        return kind.unwrap_or("page");
    }
    if let Some((_, kind)) = HOSTS.iter().find(|(domain, _)| is_at(domain)) {
        return kind;
    }
    let ending =
        segments.last().and_then(|file| file.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    let of_ending = |ending: String| ENDINGS.iter().find(|(_, endings)| endings.contains(&ending.as_str()));
    ending.and_then(of_ending).map_or("page", |(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_content_is_told_by_its_address_alone() {
        for (url, kind) in [
            ("https://sonik.example/e/1", "page"),
            ("https://www.instagram.com/p/CxYz12", "post"),
            ("https://instagram.com/newface/reel/CxYz12", "reel"),
            ("https://www.instagram.com/stories/newface/3141", "story"),
            ("https://www.instagram.com/newface", "page"),
            ("https://m.youtube.com/watch?v=1", "video"),
            ("https://notyoutube.com/watch?v=1", "page"),
            ("https://velvet.bandcamp.com/album/x", "audio"),
            ("https://cdn.example/flyer.JPG?w=3", "image"),
            ("https://cdn.example/set.mp3", "audio"),
            ("no address", "page"),
        ] {
            assert_eq!(content_kind(url), kind, "{url}");
        }
    }
}
