use proptest::prelude::*;

use super::*;

#[test]
fn instagram_addresses_have_one_spelling() {
    for (raw, want) in [
        ("https://www.instagram.com/velvet.meridian/?hl=en", Some("instagram.com/velvet.meridian")),
        ("instagram.com/DJOstara", Some("instagram.com/djostara")),
        ("@newface", Some("instagram.com/newface")),
        ("https://instagram.com/_u/newface", Some("instagram.com/newface")),
        ("instagram://user?username=NewFace", Some("instagram.com/newface")),
        ("https://ig.me/m/newface", Some("instagram.com/newface")),
        ("https://www.instagram.com/%6Eewface", Some("instagram.com/newface")),
        (" https://www.instagram.com/newface/\u{200b}", Some("instagram.com/newface")),
        ("https://www.instagram.com/p/CxYz12/", None),
        ("https://www.instagram.com/newface/reel/CxYz12/", Some("instagram.com/newface")),
        ("https://www.instagram.com/stories/newface/3141/", Some("instagram.com/newface")),
        ("https://www.instagram.com/stories/highlights/1793/", None),
        ("https://www.instagram.com/explore/tags/techno/", None),
        ("newface", None),
        ("https://facebook.com/newface", None),
        ("https://www.instagram.com/new..face/", None),
        // beyond the table of the design
        ("", None),
        ("@", None),
        ("https://www.instagram.com/", None),
        ("https://www.instagram.com/_u/", None),
        ("https://instagr.am/newface#top", Some("instagram.com/newface")),
        ("HTTPS://M.INSTAGRAM.COM/NewFace", Some("instagram.com/newface")),
        ("https://notinstagram.com/newface", None),
        ("https://instagram.com.evil.example/newface", None),
        ("https://www.instagram.com/.newface", None),
        ("https://www.instagram.com/abcdefghijabcdefghijabcdefghijk", None),
        ("ana@fans.example", None),
        ("ｉｎｓｔａｇｒａｍ.com/newface", Some("instagram.com/newface")),
    ] {
        assert_eq!(instagram(raw).as_ref().map(CanonicalId::as_str), want, "{raw:?}");
    }
}

#[test]
fn domains_are_registrable_and_not_shared() {
    let none = SharedHosts::default();
    for (raw, want) in [
        ("HTTP://Harbourtouring.co.uk:8080/about?x=1", Some("harbourtouring.co.uk")),
        ("tickets.harbourtouring.co.uk", Some("harbourtouring.co.uk")),
        ("mara@nightshift.example", Some("nightshift.example")),
        ("https://münchen-events.de/x", Some("xn--mnchen-events-wob.de")),
        ("https://user:pw@sonik.fm.", Some("sonik.fm")),
        ("https://velvet.bandcamp.com", None),
        ("foo.github.io", Some("foo.github.io")),
        ("co.uk", None),
        ("10.0.0.1", None),
        ("localhost", None),
        ("ana@gmail.com", None),
        ("shop.example.com.au", Some("example.com.au")),
        // beyond the table of the design
        ("", None),
        ("https://", None),
        ("http://[::1]:80/", None),
        ("https://www.eventbrite.de/o/night-shift", None),
        ("https://www.eventbrite.co.uk", None),
        ("https://nightshift.example/tickets", Some("nightshift.example")),
        ("//nightshift.example/tickets", Some("nightshift.example")),
        ("a..b.example", None),
        ("not a host", None),
        ("notbandcamp.com", Some("notbandcamp.com")),
    ] {
        assert_eq!(domain(raw, &none).as_ref().map(CanonicalId::as_str), want, "{raw:?}");
    }
}

#[test]
fn an_installation_can_add_shared_hosts() {
    let more = SharedHosts::with(["Nightshift.example ".to_owned(), "ticketing.*".to_owned()]);
    assert_eq!(domain("www.nightshift.example", &more), None);
    assert_eq!(domain("ticketing.co.uk", &more), None);
    assert!(domain("harbourtouring.co.uk", &more).is_some());
}

#[test]
fn place_ids_keep_their_case_and_show_their_damage() {
    let whole = "ChIJN1t_tDeuEmsRUsoyG83frY4";
    for raw in [
        whole.to_owned(),
        format!(" {whole}"),
        format!("place_id:{whole}"),
        format!("https://www.google.com/maps/search/?api=1&query=Foundry&query_place_id={whole}"),
        format!("https://maps.example/?placeid={whole}&hl=en"),
    ] {
        assert_eq!(place_id(&raw).as_ref().map(CanonicalId::as_str), Ok(whole), "{raw}");
    }
    for valid in
        ["GhIJQWDl0CIeQUARxks3icF8U8A", "EicxMyBNYXJrZXQgU3QsIFdpbG1pbmd0b24", "IhoSGAoUChIJ_____3OuEmsR"]
    {
        assert_eq!(place_id(valid).as_ref().map(CanonicalId::as_str), Ok(valid));
    }
    assert_eq!(place_id(""), Err(NoPlaceId::Missing));
    assert_eq!(place_id("ChIJN1t_tDeuEmsR..."), Err(NoPlaceId::Truncated));
    assert_eq!(place_id("ChIJN1t_tDeuEmsR…"), Err(NoPlaceId::Truncated));
    assert_eq!(place_id("chijn1t_tdeuemsrusoyg83fry4"), Err(NoPlaceId::CaseLost));
    assert_eq!(place_id("0x6b12ae37b47f5b37:0x8eaddfcd1b32ca52"), Err(NoPlaceId::Foreign));
    assert_eq!(place_id("ChIJ short"), Err(NoPlaceId::Foreign));
}

#[test]
fn an_email_is_trimmed_and_lowered_and_nothing_else() {
    assert_eq!(email("Ana@Fans.example ").as_deref(), Some("ana@fans.example"));
    assert_eq!(email("a.n.a+x@fans.example").as_deref(), Some("a.n.a+x@fans.example"));
    for raw in ["", "n/a", "@fans.example", "ana@", "ana bello@fans.example"] {
        assert_eq!(email(raw), None, "{raw:?}");
    }
    assert_eq!(
        email_sha256(" ANA@fans.example").as_deref(),
        // printf ana@fans.example | sha256sum
        Some("dcf7ce759a94eaf0ad652e500e679e436684751eb7dc1f8f1b5ea3a62d1eb0e2")
    );
}

#[test]
fn names_are_compared_by_their_words() {
    assert_eq!(name_key(" Velvet  Meridian ").as_deref(), Some("velvet meridian"));
    assert_eq!(name_key("VELVET-MERIDIAN").as_deref(), Some("velvet meridian"));
    assert_eq!(name_key("!!!").as_deref(), Some("!!!"));
    assert_eq!(name_key(" \u{200b}"), None);
    assert_ne!(name_key("Velvet Meridian (live)"), name_key("Velvet Meridian"));
    assert_eq!(genre(" Drum &  Bass").as_deref(), Some("drum & bass"));
    assert_eq!(genre(""), None);
}

#[test]
fn a_shared_address_is_the_page_and_not_how_one_came_there() {
    for (raw, want) in [
        ("https://sonik.example/e/1", Some("https://sonik.example/e/1")),
        (
            "https://Sonik.example:443/e/1/?utm_source=instagram&UTM_medium=x#top",
            Some("https://sonik.example/e/1"),
        ),
        ("https://sonik.example/?b=2&a=1&fbclid=z", Some("https://sonik.example/?a=1&b=2")),
        ("https://sonik.example/", Some("https://sonik.example")),
        ("https://ana:secret@sonik.example/e/1", Some("https://sonik.example/e/1")),
        ("javascript:alert(1)", None),
        ("/e/1", None),
        ("", None),
    ] {
        assert_eq!(content_url(raw).as_deref(), want, "{raw:?}");
    }
}

/// Texts that look like addresses often enough to get past the first check.
fn addresses() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[@ ]?(https?://)?(www\\.)?(instagram\\.com|ig\\.me/m|instagr\\.am)/[%a-zA-Z0-9._/?#\u{200b}-]{0,40}",
        "(https?://)?([a-zäöüß0-9-]{1,8}\\.){1,4}(co\\.uk|com|de|github\\.io|example)(:[0-9]{1,5})?(/.{0,8})?",
        "[a-zA-Z0-9._+ -]{0,8}@[a-zA-Z0-9.İß-]{0,12}",
        "(place_id:|placeid=)?(ChIJ|chij|GhIJ)[A-Za-z0-9_.…-]{0,30}",
        "https?://[a-z]{1,5}\\.example/{0,3}[a-z%/]{0,6}(\\?[a-z_=&%]{0,12})?(#.{0,4})?",
    ]
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing_and_no_input_panics(raw in addresses()) {
        let shared = SharedHosts::default();
        if let Some(id) = instagram(&raw) {
            prop_assert_eq!(instagram(id.as_str()), Some(id));
        }
        if let Some(id) = domain(&raw, &shared) {
            prop_assert_eq!(domain(id.as_str(), &shared), Some(id));
        }
        if let Ok(id) = place_id(&raw) {
            prop_assert_eq!(place_id(id.as_str()), Ok(id));
        }
        for once in [email, name_key, genre, content_url] {
            if let Some(text) = once(&raw) {
                prop_assert_eq!(once(&text), Some(text));
            }
        }
    }
}

#[test]
fn a_genre_that_would_kill_the_graph_server_is_folded_or_left_out() {
    assert_eq!(genre("a\u{1}b  House").as_deref(), Some("a b house"));
    assert_eq!(genre(&"y".repeat(256)), None);
    assert_eq!(genre(&"y".repeat(255)).map(|g| g.len()), Some(255));
    assert_eq!(genre("\u{1} \u{7}"), None);
}
