//! The tables of a loaded city: which rows go into which columns, hidden rows among them.

use super::calendar::{NOW, START};
use super::chance::{Purpose, stream, uuid};
use super::city::City;
use super::lines::Line;
use crate::sources::rows::{
    ArtistRow, CompanyRow, ContactRow, EventRow, LineupRow, OpportunityRow, Touch, TouchRow, VenueRow,
};

/// A table with all its lines, made one at a time.
pub(super) struct Table<'a> {
    /// Schema-qualified and quoted.
    pub name: String,
    /// Quoted, separated by commas.
    pub columns: String,
    pub lines: Box<dyn Iterator<Item = String> + Send + 'a>,
}

/// All tables, in an order in which no row refers to a later table.
pub(super) fn tables(city: &City) -> Vec<Table<'_>> {
    let mut all = directus(city);
    all.extend(twenty(city));
    all.extend(unified(city));
    all.extend(touchpoints(city));
    all
}

fn table<'a>(
    schema: &str,
    name: &str,
    columns: &str,
    lines: impl Iterator<Item = String> + Send + 'a,
) -> Table<'a> {
    Table { name: format!("{schema}.\"{name}\""), columns: columns.to_owned(), lines: Box::new(lines) }
}

fn directus(city: &City) -> Vec<Table<'_>> {
    let (seen, hidden) = (&city.directus, &city.hidden.directus);
    let schema = &seen.schema;
    let lineup = |row: &LineupRow| Line::new().text(&row.event).text(&row.artist).number(row.sort).end();
    let orphan = |event: &String| Line::new().text(event).null().plain(9).end();
    let junction = seen.lineup.iter().chain(&hidden.lineup).chain(&city.hidden.repeats).map(lineup);
    vec![
        table(
            schema,
            "venues",
            "id, status, name, google_place_id, city, country, latitude, longitude, timezone, capacity, website, \
             instagram_url, date_created, date_updated",
            seen.venues.iter().chain(&hidden.venues).map(venue),
        ),
        table(
            schema,
            "artists",
            "id, status, name, instagram_url, genres, date_created, date_updated",
            seen.artists.iter().chain(&hidden.artists).map(artist),
        ),
        table(
            schema,
            "events",
            "id, status, name, start_date, end_date, day, source, source_url, price_min, promoter_name, \
             promoter_domain, tags, external_id, venue, date_created, date_updated",
            seen.events.iter().chain(&hidden.events).map(event),
        ),
        table(
            schema,
            "events_artists",
            "events_id, artists_id, sort",
            junction.chain(city.hidden.orphans.iter().map(orphan)),
        ),
    ]
}

fn venue(row: &VenueRow) -> String {
    Line::new()
        .text(&row.id)
        .text(&row.status)
        .text(&row.name)
        .maybe(row.google_place_id.as_deref())
        .maybe(row.city.as_deref())
        .maybe(row.country.as_deref())
        .number(row.latitude)
        .number(row.longitude)
        .maybe(row.timezone.as_deref())
        .number(row.capacity)
        .maybe(row.website.as_deref())
        .maybe(row.instagram_url.as_deref())
        .when(row.date_created)
        .when(row.date_updated)
        .end()
}

fn artist(row: &ArtistRow) -> String {
    let genres = row.genres.join(",");
    Line::new()
        .text(&row.id)
        .text(&row.status)
        .text(&row.name)
        .maybe(row.instagram_url.as_deref())
        .maybe(Some(genres.as_str()).filter(|g| !g.is_empty()))
        .when(row.date_created)
        .when(row.date_updated)
        .end()
}

fn event(row: &EventRow) -> String {
    Line::new()
        .text(&row.id)
        .text(&row.status)
        .text(&row.name)
        .number(row.start_date)
        .when(row.end_date)
        .number(row.start_date.map(jiff::civil::DateTime::date))
        .maybe(row.source.as_deref())
        .maybe(row.source_url.as_deref())
        .number(row.price_min)
        .maybe(row.promoter_name.as_deref())
        .maybe(row.promoter_domain.as_deref())
        .list(&row.tags)
        .number(row.external_id)
        .maybe(row.venue.as_deref())
        .when(row.date_created)
        .when(row.date_updated)
        .end()
}

fn twenty(city: &City) -> Vec<Table<'_>> {
    let (seen, deleted) = (&city.twenty, &city.hidden.twenty);
    let schema = &seen.schema;
    let made = stamp(START);
    let mut ids = stream(city.truth.seed, Purpose::Hidden, 2 << 40);
    vec![
        table(
            schema,
            "company",
            "id, name, \"domainNamePrimaryLinkUrl\", \"addressAddressCity\", \"addressAddressCountry\", \
             \"createdAt\", \"updatedAt\", \"deletedAt\"",
            alive(&seen.companies, &deleted.companies).map(company),
        ),
        table(
            schema,
            "person",
            "id, \"nameFirstName\", \"nameLastName\", \"emailsPrimaryEmail\", \"emailsAdditionalEmails\", \
             \"jobTitle\", \"instagramPrimaryLinkUrl\", \"companyId\", \"createdAt\", \"updatedAt\", \"deletedAt\"",
            alive(&seen.people, &deleted.people).map(person),
        ),
        table(
            schema,
            "opportunity",
            "id, name, stage, \"amountAmountMicros\", \"amountCurrencyCode\", \"closeDate\", \"pointOfContactId\", \
             \"companyId\", \"createdAt\", \"updatedAt\", \"deletedAt\"",
            alive(&seen.opportunities, &deleted.opportunities).map(opportunity),
        ),
        table(
            schema,
            "timelineActivity",
            "id, \"createdAt\", \"updatedAt\", \"happensAt\", name, properties, \"targetOpportunityId\"",
            seen.stage_changes.iter().map(move |row| {
                let diff = serde_json::json!({"diff": {"stage": {"before": row.before, "after": row.after}}});
                Line::new()
                    .text(&uuid(&mut ids))
                    .at(row.at)
                    .at(row.at)
                    .at(row.at)
                    .text("opportunity.updated")
                    .text(&diff.to_string())
                    .text(&row.opportunity)
                    .end()
            }),
        ),
        table(
            schema,
            "_promoter",
            "id, name, \"companyId\", \"createdAt\", \"updatedAt\"",
            seen.promoters.iter().map(move |row| {
                Line::new()
                    .text(&row.id)
                    .maybe(row.name.as_deref())
                    .maybe(row.company.as_deref())
                    .text(&made)
                    .text(&made)
                    .end()
            }),
        ),
    ]
}

/// Rows that are there, then rows that are deleted, each with whether it is.
fn alive<'a, T: Sync>(seen: &'a [T], deleted: &'a [T]) -> impl Iterator<Item = (&'a T, bool)> + Send + 'a {
    seen.iter().map(|row| (row, false)).chain(deleted.iter().map(|row| (row, true)))
}

fn company((row, deleted): (&CompanyRow, bool)) -> String {
    Line::new()
        .text(&row.id)
        .maybe(row.name.as_deref())
        .maybe(row.domain_url.as_deref())
        .maybe(row.city.as_deref())
        .maybe(row.country.as_deref())
        .when(row.created_at)
        .when(row.updated_at)
        .when(row.updated_at.filter(|_| deleted))
        .end()
}

fn person((row, deleted): (&ContactRow, bool)) -> String {
    Line::new()
        .text(&row.id)
        .maybe(row.first_name.as_deref())
        .maybe(row.last_name.as_deref())
        .maybe(row.primary_email.as_deref())
        .list(&row.additional_emails)
        // Older releases write '' where newer ones write NULL.
        .text(row.job_title.as_deref().unwrap_or(""))
        .maybe(row.instagram_url.as_deref())
        .maybe(row.company.as_deref())
        .when(row.created_at)
        .when(row.updated_at)
        .when(row.updated_at.filter(|_| deleted))
        .end()
}

fn opportunity((row, deleted): (&OpportunityRow, bool)) -> String {
    Line::new()
        .text(&row.id)
        .maybe(row.name.as_deref())
        .text(&row.stage)
        .number(row.amount_micros)
        .maybe(row.currency.as_deref())
        .when(row.close_date)
        .maybe(row.contact.as_deref())
        .maybe(row.company.as_deref())
        .when(row.created_at)
        .when(row.updated_at)
        .when(row.updated_at.filter(|_| deleted))
        .end()
}

fn unified(city: &City) -> Vec<Table<'_>> {
    let rows = &city.unified;
    let matched = stamp(NOW);
    vec![
        table(
            &rows.schema,
            "entities",
            "id, entity_type, canonical_id, claim_status, claimed_by, metadata",
            rows.entities.iter().map(|row| {
                let mut metadata = serde_json::Map::new();
                metadata.extend(row.name.as_deref().map(|name| ("name".to_owned(), name.into())));
                if !row.roles.is_empty() {
                    metadata.insert("roles".to_owned(), row.roles.clone().into());
                }
                Line::new()
                    .text(&row.id)
                    .text(&row.entity_type)
                    .maybe(row.canonical_id.as_deref())
                    .text(&row.claim_status)
                    .maybe(row.claimed_by.as_deref())
                    .text(&serde_json::Value::from(metadata).to_string())
                    .end()
            }),
        ),
        table(
            &rows.schema,
            "entity_sources",
            "entity_id, source_system, source_table, source_id, match_rule, confidence, matched_at",
            rows.crosswalk.iter().map(move |row| {
                Line::new()
                    .text(&row.entity)
                    .text(&row.source_system)
                    .text(&row.source_table)
                    .text(&row.source_id)
                    .text(&row.match_rule)
                    .plain(row.confidence)
                    .text(&matched)
                    .end()
            }),
        ),
        table(
            &rows.schema,
            "claim_events",
            "id, entity_id, from_status, to_status, claimant, method, occurred_at",
            rows.claim_events.iter().flatten().map(|row| {
                Line::new()
                    .text(&row.id)
                    .text(&row.entity)
                    .text(&row.from_status)
                    .text(&row.to_status)
                    .maybe(row.claimant.as_deref())
                    .maybe(row.method.as_deref())
                    .at(row.occurred_at)
                    .end()
            }),
        ),
    ]
}

/// The columns that `tracks` and every event's own table have in common.
const STANDARD: &str = "id, received_at, \"timestamp\", anonymous_id, user_id, event, event_text";

/// Every event's own table: name, name as sent, columns after the standard ones.
const ACTIONS: [(&str, &str, &str); 8] = [
    ("event_viewed", "Event Viewed", "event_id"),
    ("event_saved", "Event Saved", "event_id"),
    ("ticket_link_clicked", "Ticket Link Clicked", "event_id, seller"),
    ("event_attended", "Event Attended", "event_id, method"),
    ("content_shared", "Content Shared", "content_url, event_id, channel, parent_share_id"),
    ("artist_followed", "Artist Followed", "artist_id"),
    ("user_followed", "User Followed", "followed_user_id"),
    ("search_performed", "Search Performed", "query"),
];

fn touchpoints(city: &City) -> Vec<Table<'_>> {
    let rows = &city.touchpoints;
    let seen = stamp(NOW);
    let mut all = vec![
        table(
            &rows.schema,
            "identifies",
            "id, received_at, \"timestamp\", anonymous_id, user_id, email, name",
            rows.identifies.iter().map(|row| {
                Line::new()
                    .text(&row.id)
                    .at(row.received_at)
                    .at(row.at)
                    .maybe(row.anonymous_id.as_deref())
                    .maybe(row.user_id.as_deref())
                    .maybe(row.email.as_deref())
                    .maybe(row.name.as_deref())
                    .end()
            }),
        ),
        table(
            &rows.schema,
            "users",
            "id, received_at, email, name",
            rows.users.iter().map(move |row| {
                let line = Line::new().text(&row.id).text(&seen);
                line.maybe(row.email.as_deref()).maybe(row.name.as_deref()).end()
            }),
        ),
        table(
            &rows.schema,
            "aliases",
            "id, received_at, \"timestamp\", previous_id, user_id",
            rows.aliases.iter().map(|row| {
                let line = Line::new().text(&row.id).at(row.at).at(row.at);
                line.text(&row.previous_id).text(&row.user_id).end()
            }),
        ),
        table(
            &rows.schema,
            "pages",
            "id, received_at, \"timestamp\", anonymous_id, user_id, name, url, path",
            // A page view beside every twelfth view of an event; pages are no touches.
            rows.touches.iter().filter_map(page).step_by(12),
        ),
        table(
            &rows.schema,
            "tracks",
            &format!(
                "{STANDARD}, context_campaign_source, context_campaign_medium, context_campaign_name, \
                 context_session_id"
            ),
            rows.touches.iter().map(|row| {
                standard(row)
                    .maybe(row.source.as_deref())
                    .maybe(row.medium.as_deref())
                    .maybe(row.campaign.as_deref())
                    .number(row.session)
                    .end()
            }),
        ),
    ];
    for (action, _, own) in ACTIONS {
        let of_action = rows.touches.iter().filter(move |row| row.touch.action() == action);
        all.push(table(&rows.schema, action, &format!("{STANDARD}, {own}"), of_action.map(properties)));
    }
    all
}

fn standard(row: &TouchRow) -> Line {
    let action = row.touch.action();
    let sent = ACTIONS.iter().find(|(name, _, _)| *name == action).map_or(action, |(_, sent, _)| sent);
    Line::new()
        .text(&row.id)
        .at(row.received_at)
        .at(row.at)
        .maybe(row.anonymous_id.as_deref())
        .maybe(row.user_id.as_deref())
        .text(action)
        .text(sent)
}

fn properties(row: &TouchRow) -> String {
    let line = standard(row);
    match &row.touch {
        Touch::Viewed { event } | Touch::Saved { event } => line.maybe(event.as_deref()),
        Touch::TicketClicked { event } => line.maybe(event.as_deref()).text("boxoffice"),
        Touch::Attended { event } => {
            let method = if row.anonymous_id.is_some() { "rsvp" } else { "scan" };
            line.maybe(event.as_deref()).text(method)
        }
        Touch::Shared { content_url, event, channel, parent } => line
            .maybe(content_url.as_deref())
            .maybe(event.as_deref())
            .maybe(channel.as_deref())
            .maybe(parent.as_deref()),
        Touch::ArtistFollowed { artist } => line.maybe(artist.as_deref()),
        Touch::UserFollowed { user } => line.maybe(user.as_deref()),
        Touch::Other { .. } => line.null(),
    }
    .end()
}

fn page(row: &TouchRow) -> Option<String> {
    let Touch::Viewed { event: Some(event) } = &row.touch else { return None };
    let line = Line::new()
        .text(&row.id.replace("msg-", "page-"))
        .at(row.received_at)
        .at(row.at)
        .maybe(row.anonymous_id.as_deref())
        .maybe(row.user_id.as_deref())
        .text("Event");
    Some(line.text(&format!("https://sonik.example/e/{event}")).text(&format!("/e/{event}")).end())
}

fn stamp(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).expect("the city's calendar is within range").to_string()
}
