//! What the tables of this family hold: every column once, with unit and meaning.

use crate::studies::findings::{Declared, ScoreColumn};

const fn column(name: &'static str, unit: &'static str, meaning: &'static str) -> ScoreColumn {
    ScoreColumn { name, unit, meaning }
}

pub const LEADS: Declared = Declared {
    name: "leads",
    title: "Leads: whom to win next",
    row: "an organisation nobody has claimed whose events reach people, or a device nobody is known behind that took \
          interest; each kind most engaged first",
    columns: &[
        column("kind", "text", "`organization` or `visitor`"),
        column("rank", "1", "place among the leads of its kind"),
        column("uid", "id", "the organisation or the device"),
        column("name", "text", "its name; a device goes by its uid"),
        column(
            "people",
            "people",
            "distinct people who showed interest in, or attended, the organisation's events, devices counted as the person they were identified as; empty for a visitor",
        ),
        column(
            "events",
            "events",
            "distinct events behind `touches`; of an organisation those it promotes and anybody touched",
        ),
        column(
            "touches",
            "touches",
            "of a visitor every INTERESTED_IN, of an organisation every INTERESTED_IN and ATTENDED of its events",
        ),
        column(
            "follows",
            "follows",
            "artists, venues and organisations the visitor follows; empty for an organisation",
        ),
        column(
            "sources",
            "text",
            "the distinct attribution sources of the visitor's touches, in byte order; empty for an organisation",
        ),
        column(
            "shared_device",
            "truth",
            "whether several known people used the device, so that it is no new person; empty for an organisation",
        ),
        column("last", "moment", "the newest of these touches, UTC"),
    ],
};

pub const CLAIM_FUNNEL: Declared = Declared {
    name: "claim_funnel",
    title: "The claim funnel",
    row: "a kind of thing in a stage of its claim, in the order of the funnel",
    columns: &[
        column(
            "kind",
            "text",
            "`artist`, `person`, `venue` or `organization`; an artist is a person that has the role",
        ),
        column("status", "text", "`unclaimed`, `pending` (somebody has asked) or `claimed`"),
        column(
            "stock",
            "things",
            "things of this kind that are in this stage now, by the graph's `claim_status`",
        ),
        column(
            "entered",
            "moves",
            "moves into this stage on record (`claim_events`); the beginning of things, all unclaimed, is no move",
        ),
        column("left", "moves", "moves out of this stage on record"),
        column(
            "open",
            "stays",
            "stays that began with a move on record and have not ended; they are in no median",
        ),
        column(
            "base",
            "1",
            "what `rate` is a share of: of `unclaimed` the things of this kind, as all begin there; of `pending` the claims decided either way",
        ),
        column(
            "advanced",
            "1",
            "of `base`, those that came to the next stage: things ever asked for, claims granted",
        ),
        column(
            "rate",
            "share",
            "`advanced` of `base`; empty where there is nothing to divide by, and without `claim_events`",
        ),
        column("rate_low", "share", "lower end of the 95 % Wilson interval of `rate`"),
        column("rate_high", "share", "upper end of it"),
        column("stays", "stays", "stays in this stage with both ends on record"),
        column("median_stay_s", "s", "median time of these stays"),
        column(
            "median_stay_low_s",
            "s",
            "lower end of its 95 % interval by order statistics; empty below six stays",
        ),
        column("median_stay_high_s", "s", "upper end of it"),
    ],
};

pub const CLAIM_CHECKS: Declared = Declared {
    name: "claim_checks",
    title: "Claims that cannot be right, or have nobody",
    row: "a claim at fault, by check, entity and time; no row: all is well",
    columns: &[
        column(
            "check",
            "text",
            "`illegal_move` (none of unclaimed→pending, pending→claimed, pending→unclaimed, claimed→unclaimed) · `gap` (leaves another stage than the one before led to) · `status_differs` (the last move is not to the status it has) · `status_without_move` (not unclaimed, though no move is on record) · `unknown_entity` (no such thing in the graph) · `unknown_claimant` (no source knows the claimant) · `ambiguous_claimant` (several people have this id)",
        ),
        column("entity", "id", "uid of what is claimed"),
        column("name", "text", "its name, where the graph knows it"),
        column("kind", "text", "as in `claim_funnel`"),
        column("at", "moment", "when the move at fault, or the last one, was, UTC"),
        column("claim_event", "id", "id of that move in `claim_events`"),
        column("from_status", "text", "where that move says it comes from"),
        column("to_status", "text", "where it leads"),
        column("claim_status", "text", "the status the thing has now"),
        column("claimant", "id", "who asked, as the register writes it"),
    ],
};

pub const TONIGHT: Declared = Declared {
    name: "tonight",
    title: "What is on tonight",
    row: "a published event at a venue that begins from 17:00 to 05:00 on the venue's clock, earliest first",
    columns: &[
        column("event", "id", "uid of the event"),
        column("event_name", "text", "its name"),
        column("venue", "id", "uid of the venue"),
        column("venue_name", "text", "its name"),
        column("artists", "text", "names of those who perform, in the order of billing"),
        column("starts_at", "moment", "when it begins, UTC"),
        column(
            "starts_local",
            "text",
            "the same on the venue's clock; UTC where the venue has no known zone",
        ),
        column("distance_m", "m", "great circle from --near to the venue; empty without --near"),
    ],
};

pub const ARTISTS_AT_VENUE: Declared = Declared {
    name: "artists_at_venue",
    title: "Who plays where",
    row: "an artist at a venue: venues with most shows first, then most shows, then by name",
    columns: &[
        column("venue", "id", "uid of the venue"),
        column("venue_name", "text", "its name"),
        column("artist", "id", "uid of the artist"),
        column("artist_name", "text", "their name"),
        column("shows", "events", "distinct events there with this artist in the line-up, past and planned"),
        column("last_show", "moment", "start of the latest of them, UTC"),
    ],
};

pub const VENUES_BY_PROMOTER: Declared = Declared {
    name: "venues_by_promoter",
    title: "Which promoter uses which venue",
    row: "a venue of a promoter: promoters with most events first, then most events, then by name",
    columns: &[
        column("promoter", "id", "uid of the organisation"),
        column("promoter_name", "text", "its name"),
        column("venue", "id", "uid of the venue"),
        column("venue_name", "text", "its name"),
        column("events", "events", "distinct events there that the organisation promotes, past and planned"),
        column("last_event", "moment", "start of the latest of them, UTC"),
    ],
};

pub const ALSO_ATTENDED: Declared = Declared {
    name: "also_attended",
    title: "What else the people of an event attended",
    row: "an event and another its people attended, by event; within an event most people in common first",
    columns: &[
        column("event", "id", "uid of the event"),
        column("event_name", "text", "its name"),
        column("other", "id", "uid of the other event"),
        column("other_name", "text", "its name"),
        column("both", "people", "people who attended both"),
        column("n_event", "people", "people who attended the event"),
        column("n_other", "people", "people who attended the other"),
        column("share", "share", "`both` of `n_event`"),
        column(
            "lift",
            "1",
            "how many times more often both were attended than if people chose independently: both·N/(n_event·n_other), N all who attended anything; 1 is chance",
        ),
    ],
};

/// All of them, in the order they are written.
pub const ALL: &[Declared] =
    &[LEADS, CLAIM_FUNNEL, CLAIM_CHECKS, TONIGHT, ARTISTS_AT_VENUE, VENUES_BY_PROMOTER, ALSO_ATTENDED];
