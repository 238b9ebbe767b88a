//! What discovery answers about the four published layouts. Every number has its reason.

use serde_json::json;
use sonograph::context::Context;
use sonograph::graph::BusinessGraph;
use sonograph::sources::facts::{EntityFact, Facts};
use sonograph::studies::Findings;

use crate::scratch::Scratch;
use crate::{ask, fact, frozen, rows, table};

const FOUNDRY: &str = "ent:3a000000-0000-7000-8000-000000000001";
const KILN: &str = "ent:3a000000-0000-7000-8000-000000000002";
const VELVET: &str = "ent:3a000000-0000-7000-8000-000000000003";
const OSTARA: &str = "ent:3a000000-0000-7000-8000-000000000004";
const NIGHT_SHIFT: &str = "ent:3a000000-0000-7000-8000-000000000005";
const HARBOUR: &str = "ent:3a000000-0000-7000-8000-000000000006";
const LOW_CEILING: &str = "directus:directus.events:1";
const KILN_SESSIONS: &str = "directus:directus.events:2";

async fn layouts() -> Option<Facts> {
    Some(Scratch::with_layouts().await?.facts().await.expect("the layouts can be read"))
}

fn graph(facts: &Facts) -> BusinessGraph {
    BusinessGraph::build(frozen(facts).1).expect("the tables are canonical")
}

fn millis(text: &str) -> String {
    text.parse::<jiff::Timestamp>().expect("a moment").as_millisecond().to_string()
}

fn expect(found: &Findings, name: &str, columns: &[&str], expected: &[&[&str]]) {
    assert_eq!(rows(table(found, name), columns), expected, "{name}");
}

#[tokio::test]
async fn artists_venues_and_promoters_meet_at_the_events_of_the_layouts() {
    let Some(facts) = layouts().await else { return };
    let graph = graph(&facts);
    let found = ask(&graph, "discovery", &json!({}));
    let nye = &millis("2026-01-01T03:00:00Z"); // 22:00 on December 31st in New York
    let low_ceiling = &millis("2025-12-13T02:00:00Z"); // 21:00 on the 12th
    let kiln = &millis("2025-12-14T01:00:00Z"); // 20:00 on the 13th
    expect(
        &found,
        "artists_at_venue",
        &["venue", "venue_name", "artist", "artist_name", "shows", "last_show"],
        &[
            // Venue rows 1 and 3 are The Foundry, artist rows 1 and 3 Velvet Meridian: events 1 and 3.
            &[FOUNDRY, "The Foundry", VELVET, "Velvet Meridian", "2", nye],
            // Twice in the junction of event 1, which is one show.
            &[FOUNDRY, "The Foundry", OSTARA, "DJ Ostara", "1", low_ceiling],
            // Event 2; its other line-up row has lost its artist.
            &[KILN, "Kiln Room", OSTARA, "DJ Ostara", "1", kiln],
        ],
    );
    expect(
        &found,
        "venues_by_promoter",
        &["promoter", "promoter_name", "venue", "venue_name", "events", "last_event"],
        &[
            // Events 1 and 3 name nightshift.example, once as a URL; both are at The Foundry.
            &[NIGHT_SHIFT, "Night Shift Presents", FOUNDRY, "The Foundry", "2", nye],
            &[HARBOUR, "Harbour Touring", KILN, "Kiln Room", "1", kiln],
        ],
    );
    // Both attendances, t4 and t6, are of event 1: no event has another with people in common.
    expect(&found, "also_attended", &["event"], &[]);
    assert_eq!(fact(&found, "attendees"), 2); // Ana and Ben

    // One venue and one promoter, by uid and by canonical id.
    let one =
        ask(&graph, "discovery", &json!({"venue": "ChIJrTLr-GyuEmsRBfy61i59si0", "promoter": NIGHT_SHIFT}));
    expect(&one, "artists_at_venue", &["venue", "artist"], &[&[KILN, OSTARA]]);
    expect(&one, "venues_by_promoter", &["promoter", "venue"], &[&[NIGHT_SHIFT, FOUNDRY]]);
}

#[tokio::test]
async fn tonight_is_the_night_of_the_newest_touch_on_the_venues_clock() {
    let Some(facts) = layouts().await else { return };
    let graph = graph(&facts);
    // The newest touch is t6, 17:30 on the 12th in New York; its night ends at 05:00. Event 1 begins in it, at 21:00.
    let found = ask(&graph, "discovery", &json!({}));
    let start = &millis("2025-12-13T02:00:00Z");
    expect(
        &found,
        "tonight",
        &["event", "event_name", "venue", "artists", "starts_at", "starts_local", "distance_m"],
        // By `sort`: Velvet Meridian 1, DJ Ostara 2 and 3.
        &[&[
            LOW_CEILING,
            "Low Ceiling",
            FOUNDRY,
            "Velvet Meridian | DJ Ostara",
            start,
            "2025-12-12T21:00:00",
            "",
        ]],
    );
    // Both living venues have coordinates: The Foundry those of its row 1.
    assert_eq!(fact(&found, "venues_without_location"), 0);

    // On the 13th Kiln Sessions is on, at 39.97,-83.0: 984 m from The Foundry at 39.9612,-82.9988.
    let near = |radius: f64| {
        let given = json!({"near": "39.9612,-82.9988", "radius": radius, "at": "2025-12-14T00:00:00Z"});
        ask(&graph, "discovery", &given)
    };
    expect(&near(1_000.0), "tonight", &["event"], &[&[KILN_SESSIONS]]);
    expect(&near(950.0), "tonight", &["event"], &[]);
    let distance = table(&near(1_000.0), "tonight")
        .column("distance_m")
        .expect("a column")
        .f64()
        .expect("metres")
        .get(0);
    assert!(distance.is_some_and(|metres| (metres - 984.0).abs() < 2.0), "{distance:?}");
    // At four in the morning of the 13th it is still the night of the 12th.
    let late = ask(&graph, "discovery", &json!({"at": "2025-12-13T09:00:00Z"}));
    expect(&late, "tonight", &["event"], &[&[LOW_CEILING]]);
}

#[tokio::test]
async fn the_only_lead_is_the_visitor_nobody_identified() {
    let Some(facts) = layouts().await else { return };
    let found = ask(&graph(&facts), "discovery", &json!({}));
    let t7 = &millis("2025-12-10T10:00:00Z");
    expect(
        &found,
        "leads",
        &[
            "kind",
            "rank",
            "uid",
            "people",
            "events",
            "touches",
            "follows",
            "sources",
            "shared_device",
            "last",
        ],
        // t7 on event 1 from google/cpc, and t8, which follows DJ Ostara. anon-1 and anon-2 are Ana's; all touches on
        // the shared anon-3 have a user of their own.
        &[&["visitor", "1", "anon:anon-9", "", "1", "1", "1", "google/cpc", "false", t7]],
    );
    // Harbour Touring is unclaimed and promotes event 2, which nobody touched; Night Shift is claimed.
    assert_eq!((fact(&found, "leads_organizations"), fact(&found, "leads_silent")), (0, 1));
}

#[tokio::test]
async fn the_claim_funnel_has_the_stock_of_the_entities_and_the_flow_of_their_moves() {
    let Some(facts) = layouts().await else { return };
    let found = ask(&graph(&facts), "discovery", &json!({}));
    expect(
        &found,
        "claim_funnel",
        &["kind", "status", "stock", "entered", "left", "open", "base", "advanced", "stays"],
        &[
            // Entities 3 (pending since the 8th), 4 and 7, all with the role of an artist.
            &["artist", "unclaimed", "2", "0", "1", "0", "3", "1", "0"],
            &["artist", "pending", "1", "1", "0", "1", "0", "0", "0"],
            &["artist", "claimed", "0", "0", "0", "0", "", "", "0"],
            // Entity 1 is claimed, entity 2 was never asked for.
            &["venue", "unclaimed", "1", "0", "1", "0", "2", "1", "0"],
            &["venue", "pending", "0", "1", "1", "0", "1", "1", "1"],
            &["venue", "claimed", "1", "1", "0", "1", "", "", "0"],
            // Entity 5 was asked for twice, rejected once and granted once; entity 6 never.
            &["organization", "unclaimed", "1", "1", "2", "0", "2", "1", "1"],
            &["organization", "pending", "0", "2", "2", "0", "2", "1", "2"],
            &["organization", "claimed", "1", "1", "0", "1", "", "", "0"],
        ],
    );
    let numbers = |column: &str| {
        let values = table(&found, "claim_funnel").column(column).expect("a column").f64().expect("numbers");
        values.iter().collect::<Vec<_>>()
    };
    let third = Some(1.0 / 3.0);
    let (all, half) = (Some(1.0), Some(0.5));
    assert_eq!(numbers("rate"), [third, None, None, half, all, None, half, half, None]);
    let hours = |hours: f64| Some(hours * 3_600.0);
    // Venue 1: the 2nd 10:00 to the 3rd 15:00. Organisation 5: pending for 2 h, unclaimed again from the 1st 12:00 to
    // the 4th 10:00, pending for 24 h, of which the middle is 13 h.
    let medians = [None, None, None, None, hours(29.0), None, hours(70.0), hours(13.0), None];
    assert_eq!(numbers("median_stay_s"), medians);
    // An interval takes six stays.
    assert_eq!(numbers("median_stay_low_s"), [None; 9]);
    // Wilson's interval of 1 of 2.
    let (low, high) = (numbers("rate_low")[3], numbers("rate_high")[3]);
    assert!(low.zip(high).is_some_and(|(l, h)| (l - 0.094_531).abs() < 1e-5 && (h - 0.905_469).abs() < 1e-5));

    // All moves are legal and end where the entities stand; no source knows any of the three claimants.
    assert_eq!((fact(&found, "claim_faults"), fact(&found, "claims_unknown")), (0, 3));
    let claimant = |n: u8| format!("4a000000-0000-4000-8000-00000000000{n}");
    expect(
        &found,
        "claim_checks",
        &["check", "entity", "name", "kind", "at", "to_status", "claimant"],
        &[
            &[
                "unknown_claimant",
                FOUNDRY,
                "The Foundry",
                "venue",
                &millis("2025-12-03T15:00:00Z"),
                "claimed",
                &claimant(1),
            ],
            &[
                "unknown_claimant",
                VELVET,
                "Velvet Meridian",
                "artist",
                &millis("2025-12-08T10:00:00Z"),
                "pending",
                &claimant(3),
            ],
            &[
                "unknown_claimant",
                NIGHT_SHIFT,
                "Night Shift Presents",
                "organization",
                &millis("2025-12-05T10:00:00Z"),
                "claimed",
                &claimant(2),
            ],
        ],
    );
}

#[tokio::test]
async fn without_claim_events_there_is_a_stock_and_no_rate() {
    let Some(mut facts) = layouts().await else { return };
    facts.claims = None;
    let found = ask(&graph(&facts), "discovery", &json!({}));
    let funnel = table(&found, "claim_funnel");
    assert_eq!(funnel.height(), 9);
    for column in ["entered", "left", "open", "base", "advanced", "rate", "stays", "median_stay_s"] {
        assert_eq!(funnel.column(column).expect("a column").null_count(), 9, "{column}");
    }
    assert!(found.caveats.iter().any(|caveat| caveat.contains("no `claim_events`")), "{:?}", found.caveats);
    assert!(found.facts.iter().all(|fact| fact.name != "claim_faults"));
    // Entities 1 and 5 are claimed by somebody no source knows; who asked for 3 is on no record any more.
    expect(
        &found,
        "claim_checks",
        &["check", "entity", "claimant"],
        &[&["unknown_claimant", FOUNDRY, ""], &["unknown_claimant", NIGHT_SHIFT, ""]],
    );
}

#[tokio::test]
async fn claims_against_the_rules_are_listed_with_the_move_at_fault() {
    let Some(mut facts) = layouts().await else { return };
    let claims = facts.claims.as_mut().expect("the layouts have moves");
    for claim in claims.iter_mut() {
        claim.claimant = None;
    }
    let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a moment").as_microsecond();
    let any = claims[0].clone();
    let mut add = |id: &str, of: &str, from: &str, to: &str, when: &str| {
        let mut row = any.clone();
        (row.id, row.occurred_at) = (id.to_owned(), at(when));
        row.entity = of.trim_start_matches("ent:").to_owned();
        (row.from_status, row.to_status) = (from.to_owned(), to.to_owned());
        claims.push(row);
    };
    // Unclaimed to claimed is no move of the funnel, and the entity is unclaimed still.
    add("x1", KILN, "unclaimed", "claimed", "2025-12-06T10:00:00Z");
    // Nobody had asked for entity 6, so nothing was pending; it ends where the entity stands.
    add("x2", HARBOUR, "pending", "unclaimed", "2025-12-06T11:00:00Z");
    // There is no entity 9.
    add("x3", "3a000000-0000-7000-8000-000000000009", "unclaimed", "pending", "2025-12-06T12:00:00Z");
    // The record of The Foundry is gone, though it is claimed.
    claims.retain(|claim| format!("ent:{}", claim.entity) != FOUNDRY);
    let found = ask(&graph(&facts), "discovery", &json!({}));
    let stranger = "ent:3a000000-0000-7000-8000-000000000009";
    expect(
        &found,
        "claim_checks",
        &["check", "entity", "claim_event", "from_status", "to_status", "claim_status"],
        &[
            &["illegal_move", KILN, "x1", "unclaimed", "claimed", "unclaimed"],
            &["gap", HARBOUR, "x2", "pending", "unclaimed", "unclaimed"],
            &["status_differs", KILN, "x1", "unclaimed", "claimed", "unclaimed"],
            &["status_without_move", FOUNDRY, "", "", "", "claimed"],
            &["unknown_entity", stranger, "x3", "unclaimed", "pending", ""],
            // Both are claimed, by somebody whom no move and no edge names.
            &["unknown_claimant", FOUNDRY, "", "", "", "claimed"],
            &["unknown_claimant", NIGHT_SHIFT, "", "", "", "claimed"],
        ],
    );
    assert_eq!((fact(&found, "claim_faults"), fact(&found, "claims_unknown")), (5, 2));
}

#[tokio::test]
async fn a_claimant_that_the_crm_knows_is_nobody_to_report() {
    let Some(mut facts) = layouts().await else { return };
    let mara = "0d000000-0000-4000-8000-000000000001"; // the CRM's contact at Night Shift
    for claim in facts.claims.iter_mut().flatten() {
        claim.claimant = claim.claimant.take().map(|_| mara.to_owned());
    }
    let claimed = |entities: &mut Vec<EntityFact>| {
        for entity in entities {
            entity.claimed_by = entity.claimed_by.take().map(|_| mara.to_owned());
        }
    };
    facts.entities.revise(claimed).expect("there is room");
    let found = ask(&graph(&facts), "discovery", &json!({}));
    expect(&found, "claim_checks", &["check"], &[]);
    assert_eq!(fact(&found, "claims_unknown"), 0);
}

#[tokio::test]
async fn one_and_two_threads_and_any_order_of_rows_give_the_same_bytes() {
    let Some(mut facts) = layouts().await else { return };
    let bytes = |facts: &Facts, threads: usize| {
        let graph = graph(facts);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let question = sonograph::studies::Question::defaults("discovery").expect("a family");
        let found = pool.install(|| question.run(&graph, &Context::silent())).expect("an answer");
        let mut all =
            serde_json::to_vec(&(&found.facts, &found.caveats, &found.charts)).expect("plain values");
        for table in &found.tables {
            all.extend(sonograph::snapshot::parquet_bytes(&table.frame).expect("a table"));
        }
        all
    };
    let once = bytes(&facts, 1);
    assert!(once == bytes(&facts, 2), "two threads say something else");
    facts.nodes.revise(|nodes| nodes.reverse()).expect("there is room");
    facts.edges.revise(|edges| edges.reverse()).expect("there is room");
    facts.touches.revise(|touches| touches.reverse()).expect("there is room");
    facts.claims.as_mut().expect("moves").reverse();
    assert!(once == bytes(&facts, 2), "rows in another order say something else");
}
