//! The rows of the four published source layouts, by hand, for tests.

use crate::sources::facts::Facts;
use crate::sources::rows::*;
use crate::sources::{SourceOptions, facts_of};

/// Epoch µs of an RFC 3339 instant.
pub(crate) fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect("an instant").as_microsecond()
}

#[expect(clippy::unnecessary_wraps, reason = "fields of rows are optional")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) const WORKSPACE: &str = "workspace_1wgvd1injqtife6y4rvfbu3h5";

pub(crate) fn venue(n: u8) -> String {
    format!("1a000000-0000-4000-8000-00000000000{n}")
}

pub(crate) fn artist(n: u8) -> String {
    format!("2a000000-0000-4000-8000-00000000000{n}")
}

pub(crate) fn entity(n: u8) -> String {
    format!("3a000000-0000-7000-8000-00000000000{n}")
}

fn claimant(n: u8) -> String {
    format!("4a000000-0000-4000-8000-00000000000{n}")
}

fn company(n: u8) -> String {
    format!("0c000000-0000-4000-8000-00000000000{n}")
}

pub(crate) fn contact(n: u8) -> String {
    format!("0d000000-0000-4000-8000-00000000000{n}")
}

fn opportunity(n: u8) -> String {
    format!("0e000000-0000-4000-8000-00000000000{n}")
}

pub(crate) fn directus() -> DirectusRows {
    let venue_row = |n, name: &str, place: &str, zone: Option<&str>, at: Option<(f64, f64)>| VenueRow {
        id: venue(n),
        status: "published".into(),
        name: name.into(),
        google_place_id: some(place),
        city: some("Columbus"),
        latitude: at.map(|p| p.0),
        longitude: at.map(|p| p.1),
        timezone: zone.map(Into::into),
        ..VenueRow::default()
    };
    let zone = Some("America/New_York");
    // `real` columns read as float8.
    let foundry = (f64::from(39.9612_f32), f64::from(-82.9988_f32));
    let artist_row = |n, name: &str, instagram: Option<&str>, genres: &[&str]| ArtistRow {
        id: artist(n),
        status: "published".into(),
        name: name.into(),
        instagram_url: instagram.map(Into::into),
        genres: genres.iter().map(|&g| g.into()).collect(),
        ..ArtistRow::default()
    };
    let event = |id: &str, name: &str, start: &str, venue_of, promoter: (&str, &str)| EventRow {
        id: id.into(),
        status: "published".into(),
        name: name.into(),
        start_date: Some(start.parse().expect("a wall clock")),
        promoter_name: some(promoter.0),
        promoter_domain: some(promoter.1),
        venue: Some(venue(venue_of)),
        ..EventRow::default()
    };
    let night_shift = "Night Shift Presents";
    DirectusRows {
        tables: DirectusTables::default(),
        schema: "directus".into(),
        venues: vec![
            venue_row(1, "The Foundry", "ChIJN1t_tDeuEmsRUsoyG83frY4", zone, Some(foundry)),
            venue_row(2, "Kiln Room", "ChIJrTLr-GyuEmsRBfy61i59si0", zone, Some((39.97_f32.into(), -83.0))),
            venue_row(3, "Foundry Columbus", " ChIJN1t_tDeuEmsRUsoyG83frY4", None, None),
        ],
        artists: vec![
            artist_row(
                1,
                "Velvet Meridian",
                Some("https://www.instagram.com/velvet.meridian/?hl=en"),
                &["techno", "house"],
            ),
            artist_row(2, "DJ Ostara", Some("instagram.com/DJOstara"), &["house"]),
            artist_row(3, "Velvet Meridian (live)", Some("@velvet.meridian"), &[]),
            artist_row(4, "No Handle Yet", None, &["ambient"]),
        ],
        events: vec![
            EventRow {
                end_date: Some(at("2025-12-13T07:00:00Z")),
                source_url: some("https://ra.example/e/1"),
                price_min: Some(15.0),
                tags: vec!["techno".into()],
                external_id: Some(9_007_199_254_740_993),
                ..event("1", "Low Ceiling", "2025-12-12T21:00", 1, (night_shift, "nightshift.example"))
            },
            event(
                "2",
                "Kiln Sessions",
                "2025-12-13T20:00",
                2,
                ("Harbour Touring", "www.harbourtouring.co.uk"),
            ),
            EventRow {
                price_min: Some(40.0),
                ..event(
                    "3",
                    "Foundry NYE",
                    "2025-12-31T22:00",
                    3,
                    (night_shift, "https://nightshift.example/tickets"),
                )
            },
        ],
        lineup: [("1", 1, 1), ("1", 2, 2), ("2", 2, 1), ("3", 3, 1)]
            .map(|(event, by, sort)| LineupRow { event: event.into(), artist: artist(by), sort: Some(sort) })
            .into(),
    }
}

pub(crate) fn twenty() -> TwentyRows {
    let company_row = |n, name: &str, url: &str| CompanyRow {
        id: company(n),
        name: some(name),
        domain_url: some(url),
        ..CompanyRow::default()
    };
    let person = |n, first: &str, last: &str, email: &str, of: Option<u8>| ContactRow {
        id: contact(n),
        first_name: some(first),
        last_name: some(last),
        primary_email: some(email),
        company: of.map(company),
        ..ContactRow::default()
    };
    let sale = |n, name: &str, stage: &str, micros, currency: &str| OpportunityRow {
        id: opportunity(n),
        name: some(name),
        stage: stage.into(),
        amount_micros: Some(micros),
        currency: some(currency),
        contact: Some(contact(n)),
        company: Some(company(n)),
        ..OpportunityRow::default()
    };
    TwentyRows {
        schema: WORKSPACE.into(),
        companies: vec![
            company_row(1, "Night Shift Presents", "https://www.nightshift.example"),
            company_row(2, "Harbour Touring", "http://harbourtouring.co.uk/about"),
        ],
        people: vec![
            ContactRow {
                additional_emails: vec!["mara.q@mail.example".into()],
                job_title: some("Head of Booking"),
                instagram_url: some("https://www.instagram.com/mara.books/?hl=en"),
                ..person(1, "Mara", "Quist", "mara@nightshift.example", Some(1))
            },
            ContactRow {
                job_title: some("Promoter"),
                ..person(2, "Leo", "Tran", "leo@harbourtouring.co.uk", Some(2))
            },
            ContactRow {
                instagram_url: some("instagram.com/ana_b"),
                ..person(3, "Ana", "Bello", "ana@fans.example", None)
            },
        ],
        opportunities: vec![
            sale(1, "Night Shift - venue programme", "PROPOSAL", 24_000_000_000.0, "USD"),
            sale(2, "Harbour - spring tour", "CUSTOMER", 9_000_000_000.0, "GBP"),
        ],
        stage_changes: vec![StageChangeRow {
            opportunity: opportunity(2),
            before: some("PROPOSAL"),
            after: "CUSTOMER".into(),
            at: at("2025-12-01T10:00:00Z"),
        }],
        promoters: vec![PromoterRow {
            id: "any".into(),
            name: some("Night Shift"),
            company: Some(company(1)),
        }],
    }
}

pub(crate) fn unified() -> UnifiedRows {
    let entity_row =
        |n, kind: &str, canonical: Option<&str>, status: &str, owner: Option<u8>, name: &str| EntityRow {
            id: entity(n),
            entity_type: kind.into(),
            canonical_id: canonical.map(Into::into),
            claim_status: status.into(),
            claimed_by: owner.map(claimant),
            name: some(name),
            roles: if kind == "person" { vec!["artist".into()] } else { vec![] },
        };
    let crossing = |n, system: &str, table: &str, id: String| CrosswalkRow {
        entity: entity(n),
        source_system: system.into(),
        source_table: table.into(),
        source_id: id,
        match_rule: "any".into(),
        confidence: 1.0,
    };
    let companies = format!("{WORKSPACE}.company");
    let claim = |n: u8, of, from: &str, to: &str, by, when: &str| ClaimEventRow {
        id: format!("5a{n}"),
        entity: entity(of),
        from_status: from.into(),
        to_status: to.into(),
        claimant: Some(claimant(by)),
        method: None,
        occurred_at: at(when),
    };
    UnifiedRows {
        schema: "unified".into(),
        entities: vec![
            entity_row(1, "venue", Some("ChIJN1t_tDeuEmsRUsoyG83frY4"), "claimed", Some(1), "The Foundry"),
            entity_row(2, "venue", Some("ChIJrTLr-GyuEmsRBfy61i59si0"), "unclaimed", None, "Kiln Room"),
            entity_row(
                3,
                "person",
                Some("instagram.com/velvet.meridian"),
                "pending",
                None,
                "Velvet Meridian",
            ),
            entity_row(4, "person", Some("instagram.com/djostara"), "unclaimed", None, "DJ Ostara"),
            entity_row(
                5,
                "organization",
                Some("nightshift.example"),
                "claimed",
                Some(2),
                "Night Shift Presents",
            ),
            entity_row(6, "organization", Some("harbourtouring.co.uk"), "unclaimed", None, "Harbour Touring"),
            entity_row(7, "person", None, "unclaimed", None, "No Handle Yet"),
        ],
        crosswalk: vec![
            crossing(1, "directus", "directus.venues", venue(1)),
            crossing(1, "directus", "directus.venues", venue(3)),
            crossing(3, "directus", "directus.artists", artist(1)),
            crossing(3, "directus", "directus.artists", artist(3)),
            crossing(5, "twenty", &companies, company(1)),
            crossing(6, "twenty", &companies, company(2)),
        ],
        claim_events: Some(vec![
            claim(1, 1, "unclaimed", "pending", 1, "2025-12-02T10:00:00Z"),
            claim(2, 1, "pending", "claimed", 1, "2025-12-03T15:00:00Z"),
            claim(3, 3, "unclaimed", "pending", 3, "2025-12-08T10:00:00Z"),
            claim(4, 5, "unclaimed", "pending", 2, "2025-12-01T10:00:00Z"),
            claim(5, 5, "pending", "unclaimed", 2, "2025-12-01T12:00:00Z"),
            claim(6, 5, "unclaimed", "pending", 2, "2025-12-04T10:00:00Z"),
            claim(7, 5, "pending", "claimed", 2, "2025-12-05T10:00:00Z"),
        ]),
    }
}

/// A touch on event 1 and the like; `device` and `user` as in the row.
pub(crate) fn touch(
    id: &str,
    when: &str,
    device: Option<&str>,
    user: Option<&str>,
    touch: Touch,
) -> TouchRow {
    TouchRow {
        id: id.into(),
        at: at(when),
        received_at: at(when) + 1_000_000,
        anonymous_id: device.map(Into::into),
        user_id: user.map(Into::into),
        touch,
        ..TouchRow::default()
    }
}

pub(crate) fn identify(
    id: &str,
    when: &str,
    device: &str,
    user: &str,
    email: &str,
    name: &str,
) -> IdentifyRow {
    IdentifyRow {
        id: id.into(),
        at: at(when),
        received_at: at(when) + 1_000_000,
        anonymous_id: some(device),
        user_id: some(user),
        email: some(email),
        name: some(name),
        schema: 0,
    }
}

pub(crate) fn touchpoints() -> TouchpointRows {
    let one = || some("1");
    let from = |row: TouchRow, source: &str, medium: &str| TouchRow {
        source: some(source),
        medium: some(medium),
        ..row
    };
    let share = Touch::Shared {
        content_url: some("https://sonik.example/e/1"),
        event: one(),
        channel: some("whatsapp"),
        parent: None,
    };
    let user = |id: &str, email: &str, name: &str| UserRow {
        id: id.into(),
        email: some(email),
        name: some(name),
        schema: 0,
    };
    TouchpointRows {
        schema: "sonik_web".into(),
        identifies: vec![
            identify("i1", "2025-12-09T19:05:00Z", "anon-1", "u-ana", "Ana@Fans.example ", "Ana Bello"),
            identify("i2", "2025-12-10T08:00:00Z", "anon-2", "u-ana", "ana@fans.example", "Ana Bello"),
            identify("i3", "2025-12-10T09:00:00Z", "anon-3", "u-ben", "ben@fans.example", "Ben Ode"),
            identify("i4", "2025-12-10T21:00:00Z", "anon-3", "u-cy", "cy@fans.example", "Cy Park"),
        ],
        users: vec![
            user("u-ana", "ana@fans.example", "Ana Bello"),
            user("u-ben", "ben@fans.example", "Ben Ode"),
            user("u-cy", "cy@fans.example", "Cy Park"),
        ],
        aliases: vec![],
        aliases_name_anyone: false,
        touches: vec![
            from(
                touch("t1", "2025-12-09T19:00:00Z", Some("anon-1"), None, Touch::Viewed { event: one() }),
                "instagram",
                "social",
            ),
            touch("t2", "2025-12-09T19:02:00Z", Some("anon-1"), None, share),
            touch(
                "t3",
                "2025-12-09T19:06:00Z",
                Some("anon-1"),
                Some("u-ana"),
                Touch::TicketClicked { event: one() },
            ),
            TouchRow {
                received_at: at("2025-12-12T23:00:00Z"),
                ..touch(
                    "t4",
                    "2025-12-12T22:00:00Z",
                    Some("anon-2"),
                    Some("u-ana"),
                    Touch::Attended { event: one() },
                )
            },
            from(
                touch(
                    "t5",
                    "2025-12-10T09:05:00Z",
                    Some("anon-3"),
                    Some("u-ben"),
                    Touch::Viewed { event: one() },
                ),
                "newsletter",
                "email",
            ),
            TouchRow {
                received_at: at("2025-12-13T00:00:00Z"),
                ..touch(
                    "t6",
                    "2025-12-12T22:30:00Z",
                    Some("anon-3"),
                    Some("u-ben"),
                    Touch::Attended { event: one() },
                )
            },
            from(
                touch("t7", "2025-12-10T10:00:00Z", Some("anon-9"), None, Touch::Viewed { event: one() }),
                "google",
                "cpc",
            ),
            touch(
                "t8",
                "2025-12-10T10:01:00Z",
                Some("anon-9"),
                None,
                Touch::ArtistFollowed { artist: Some(artist(2)) },
            ),
        ],
    }
}

/// Facts of all four.
pub(crate) fn facts() -> Facts {
    of(&directus(), &twenty(), &unified(), &touchpoints())
}

pub(crate) fn of(d: &DirectusRows, t: &TwentyRows, u: &UnifiedRows, p: &TouchpointRows) -> Facts {
    facts_of(d, t, u, p, &SourceOptions::default()).expect("there is room")
}
