//! What METHODS.md §6 asks of the city, counted from the rows and held against the truth.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use sonograph::context::Context;
use sonograph::sources::rows::{Touch, TouchRow};
use sonograph::sources::synthetic::{City, generate, now};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

static CITY: LazyLock<City> =
    LazyLock::new(|| generate(20_000, 7, &Context::silent()).expect("nobody cancels"));

fn counts<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// Hill's estimate of the tail exponent over the largest `k` values.
fn tail(mut values: Vec<usize>, k: usize) -> f64 {
    values.sort_unstable_by(|a, b| b.cmp(a));
    let floor = values[k] as f64;
    k as f64 / values[..k].iter().map(|&v| (v as f64 / floor).ln()).sum::<f64>()
}

fn touches<'a>(wanted: impl Fn(&'a TouchRow) -> bool) -> impl Iterator<Item = &'a TouchRow> {
    CITY.touchpoints.touches.iter().filter(move |t| wanted(t))
}

#[test]
fn touches_and_attendances_per_person_are_as_many_as_in_a_real_house() {
    let people = CITY.truth.people as f64;
    let kinds = counts(CITY.touchpoints.touches.iter().map(|t| t.touch.action()));
    println!("{kinds:?}");
    let per_person = CITY.touchpoints.touches.len() as f64 / people;
    assert!((10.0..12.5).contains(&per_person), "{per_person} touches per person");
    let attended = kinds["event_attended"] as f64 / people;
    assert!((3.5..4.5).contains(&attended), "{attended} attendances per person");
    assert_eq!(kinds["event_attended"] as u64, CITY.truth.counts.attended);
}

#[test]
fn degrees_are_heavy_tailed() {
    let is_attended = |t: &TouchRow| matches!(t.touch, Touch::Attended { .. });
    let attended: Vec<usize> =
        counts(touches(is_attended).map(|t| t.user_id.clone())).into_values().collect();
    let followed: Vec<usize> = counts(touches(|_| true).filter_map(|t| match &t.touch {
        Touch::UserFollowed { user } => user.clone(),
        _ => None,
    }))
    .into_values()
    .collect();
    let crowds: Vec<usize> = counts(touches(is_attended).map(|t| match &t.touch {
        Touch::Attended { event } => event.clone(),
        _ => None,
    }))
    .into_values()
    .collect();
    for (what, values, most) in
        [("attendances", &attended, 30), ("followers", &followed, 150), ("crowds", &crowds, 120)]
    {
        let max = *values.iter().max().expect("somebody does something");
        let mut sorted = values.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let head: usize = sorted[..sorted.len() / 100].iter().sum();
        let share = head as f64 / sorted.iter().sum::<usize>() as f64;
        println!(
            "{what}: mean {:.2}, max {max}, top 1 % hold {:.1} %, tail exponent {:.2}",
            values.iter().sum::<usize>() as f64 / values.len() as f64,
            share * 100.0,
            tail(values.clone(), values.len() / 50)
        );
        assert!(max >= most, "{what}: {max} at most");
    }
    assert!(tail(followed, 200) < 3.0);
    assert!(tail(attended, 200) < 5.0);
}

#[test]
fn weekends_are_busy_and_so_are_evenings() {
    let nights = counts(
        touches(|t| matches!(t.touch, Touch::Attended { .. }))
            .map(|t| (t.at - 10 * HOUR).div_euclid(DAY) % 7),
    );
    let by_day: BTreeMap<i64, usize> = nights.into_iter().collect();
    println!("attendances by weekday (Thursday first): {by_day:?}");
    let share = |day| by_day[&day] as f64 / by_day.values().sum::<usize>() as f64;
    // 1970-01-01 was a Thursday.
    assert!(share(1) + share(2) > 0.5, "Friday and Saturday");
    assert!(share(4) < 0.08, "Monday");
    let hours = counts(
        touches(|t| matches!(t.touch, Touch::Viewed { .. }))
            .map(|t| (t.at - 5 * HOUR).rem_euclid(DAY) / HOUR),
    );
    assert!(hours[&20] > 10 * hours.get(&4).copied().unwrap_or(0).max(1), "{hours:?}");
}

#[test]
fn cascades_are_sub_critical_and_every_named_parent_came_before_its_child() {
    let shares: HashMap<&str, &TouchRow> =
        touches(|t| matches!(t.touch, Touch::Shared { .. })).map(|t| (t.id.as_str(), t)).collect();
    let mut caused = 0_u64;
    for share in shares.values() {
        if let Touch::Shared { parent: Some(parent), event, .. } = &share.touch {
            let parent = shares[parent.as_str()];
            assert!(parent.at < share.at);
            assert!(matches!(&parent.touch, Touch::Shared { event: about, .. } if about == event));
            caused += 1;
        }
    }
    let truth = &CITY.truth.cascades;
    println!("{truth:?}");
    assert_eq!(shares.len() as u64, truth.shares);
    assert_eq!(caused, truth.shares - truth.roots - truth.parents_lost);
    let explicit = caused as f64 / shares.len() as f64;
    assert!((explicit - truth.pooled_r_explicit).abs() < 1e-12);
    assert!((0.3..0.6).contains(&truth.pooled_r), "pooled R {}", truth.pooled_r);
    assert!(truth.generations.len() > 4 && truth.largest > 15);
}

#[test]
fn a_share_that_names_its_parent_comes_from_a_follower() {
    let mut follows = HashMap::new();
    for touch in touches(|_| true) {
        if let Touch::UserFollowed { user: Some(user) } = &touch.touch {
            follows.insert((touch.user_id.clone().expect("follows are signed in"), user.clone()), touch.at);
        }
    }
    let shares: HashMap<&str, &TouchRow> = touches(|_| true).map(|t| (t.id.as_str(), t)).collect();
    let mut checked = 0;
    for share in touches(|t| matches!(t.touch, Touch::Shared { parent: Some(_), .. })) {
        let Touch::Shared { parent: Some(parent), .. } = &share.touch else { unreachable!("filtered above") };
        let parent = shares[parent.as_str()];
        if let (Some(child), Some(parent_user)) = (&share.user_id, &parent.user_id) {
            let since = follows[&(child.clone(), parent_user.clone())];
            assert!(since < parent.at);
            checked += 1;
        }
    }
    assert!(checked > 1_000, "{checked}");
}

#[test]
fn influencers_lead_the_followers_and_their_links_spread_further() {
    let followers = counts(touches(|_| true).filter_map(|t| match &t.touch {
        Touch::UserFollowed { user } => user.clone(),
        _ => None,
    }));
    let planted: HashSet<&str> = CITY.truth.influencers.iter().map(|i| i.user_id.as_str()).collect();
    for influencer in &CITY.truth.influencers {
        assert_eq!(followers[&influencer.user_id] as u64, influencer.followers);
    }
    let mut ranked: Vec<(&String, &usize)> = followers.iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let found = ranked[..planted.len()].iter().filter(|(u, _)| planted.contains(u.as_str())).count();
    println!("{found} of {} influencers are among the {} most followed", planted.len(), planted.len());
    assert!(found * 10 >= planted.len() * 8);
}

/// Units of one person or stranger and one past event, by the identity rule of SOURCES.md §4, per promoter name.
fn reached_and_converted() -> BTreeMap<String, (u64, u64)> {
    let mut users_of: HashMap<&str, HashSet<&str>> = HashMap::new();
    let rows = &CITY.touchpoints;
    for (device, user) in rows
        .identifies
        .iter()
        .filter_map(|i| Some((i.anonymous_id.as_deref()?, i.user_id.as_deref()?)))
        .chain(rows.aliases.iter().map(|a| (a.previous_id.as_str(), a.user_id.as_str())))
    {
        users_of.entry(device).or_default().insert(user);
    }
    let who = |touch: &TouchRow| -> String {
        if let Some(user) = &touch.user_id {
            return user.clone();
        }
        let device = touch.anonymous_id.as_deref().expect("a touch comes from somewhere");
        match users_of.get(device) {
            Some(users) if users.len() == 1 => (*users.iter().next().expect("one")).to_owned(),
            _ => device.to_owned(),
        }
    };
    let mut attended: HashMap<(String, String), i64> = HashMap::new();
    for touch in &rows.touches {
        if let Touch::Attended { event: Some(event) } = &touch.touch {
            attended.insert((who(touch), event.clone()), touch.at);
        }
    }
    let events: HashMap<&str, &str> = CITY
        .directus
        .events
        .iter()
        .filter(|e| {
            let night = e.start_date.expect("every event has a date");
            night < jiff::civil::date(2026, 3, 2).at(1, 0, 0, 0)
        })
        .filter_map(|e| Some((e.id.as_str(), e.promoter_name.as_deref()?)))
        .collect();
    let mut units: HashMap<(String, String), bool> = HashMap::new();
    for touch in &rows.touches {
        let (Touch::Viewed { event: Some(event) }
        | Touch::TicketClicked { event: Some(event) }
        | Touch::Saved { event: Some(event) }) = &touch.touch
        else {
            continue;
        };
        if events.contains_key(event.as_str()) {
            let unit = (who(touch), event.clone());
            let came = attended.get(&unit).is_some_and(|&at| at >= touch.at);
            *units.entry(unit).or_default() |= came;
        }
    }
    let mut by_promoter: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for ((_, event), converted) in units {
        let sums = by_promoter.entry(events[event.as_str()].to_owned()).or_default();
        sums.0 += 1;
        sums.1 += u64::from(converted);
    }
    by_promoter
}

#[test]
fn the_planted_rate_of_each_promoter_is_found_again() {
    let counted = reached_and_converted();
    let (mut inside, mut all) = (0, 0);
    for promoter in CITY.truth.promoters.iter().filter(|p| p.reached > 0) {
        let (reached, converted) = counted[&promoter.name];
        assert_eq!((reached, converted), (promoter.reached, promoter.converted), "{}", promoter.name);
        let rate = converted as f64 / reached as f64;
        let wide = 1.96 * (promoter.rate * (1.0 - promoter.rate) / reached as f64).sqrt();
        println!(
            "{:40} lift {:.2} planted {:.3} expected {:.3} seen {rate:.3} of {reached}",
            promoter.name, promoter.lift, promoter.probability, promoter.rate
        );
        all += 1;
        inside += usize::from((rate - promoter.rate).abs() <= wide);
    }
    println!("{inside} of {all} within their 95 % band");
    assert!(inside as f64 >= 0.86 * f64::from(all));
    let best = CITY.truth.promoters.iter().map(|p| p.rate).fold(0.0, f64::max);
    let worst = CITY.truth.promoters.iter().map(|p| p.rate).fold(1.0, f64::min);
    assert!(best > 2.0 * worst, "promoters differ: {worst} to {best}");
}

#[test]
fn the_lifts_of_the_channels_leave_the_promoters_as_they_are() {
    let mean: f64 = CITY.truth.channels.iter().map(|c| c.share * c.lift).sum();
    assert!((mean - 1.0).abs() < 1e-12);
    let shares: f64 = CITY.truth.channels.iter().map(|c| c.share).sum();
    assert!((shares - 1.0).abs() < 1e-12);
}

#[test]
fn between_one_and_three_percent_are_scraped_twice() {
    let truth = &CITY.truth;
    for (kind, of) in [("venue", truth.counts.venues), ("artist", truth.counts.artists)] {
        let twice = truth.duplicates.iter().filter(|d| d.kind == kind).count() as f64;
        let share = twice / of as f64;
        assert!((0.01..=0.03).contains(&share), "{kind}: {twice} of {of}");
    }
    let by = counts(truth.duplicates.iter().map(|d| d.by.as_str()));
    println!("duplicates found by: {by:?}");
    assert_eq!(by.len(), 3);
    let crosswalk: HashSet<&str> = CITY.unified.crosswalk.iter().map(|c| c.source_id.as_str()).collect();
    for duplicate in &truth.duplicates {
        assert_eq!(crosswalk.contains(duplicate.duplicate.as_str()), duplicate.by == "crosswalk");
    }
}

#[test]
fn touches_come_late_and_out_of_order_but_never_from_the_future() {
    let touches = &CITY.touchpoints.touches;
    assert!(touches.is_sorted_by_key(|t| t.received_at), "the warehouse loads in order of receipt");
    assert!(!touches.is_sorted_by_key(|t| t.at));
    assert!(touches.iter().all(|t| t.at <= t.received_at && t.received_at <= now()));
    let late = CITY.truth.counts.late as f64 / touches.len() as f64;
    println!("late: {:.2} %", late * 100.0);
    assert!((0.02..0.08).contains(&late));
}

#[test]
fn nobody_has_attended_a_future_event_and_every_touched_event_exists() {
    let starts: HashMap<&str, jiff::civil::DateTime> =
        CITY.directus.events.iter().map(|e| (e.id.as_str(), e.start_date.expect("dated"))).collect();
    let last = jiff::civil::date(2026, 3, 2).at(1, 0, 0, 0);
    let mut future = 0;
    for touch in &CITY.touchpoints.touches {
        match &touch.touch {
            Touch::Attended { event: Some(event) } => assert!(starts[event.as_str()] < last),
            Touch::Viewed { event: Some(event) } => future += usize::from(starts[event.as_str()] > last),
            _ => {}
        }
    }
    assert!(future > 100, "future events are looked at: {future}");
}

#[test]
fn ids_are_unique_and_claims_are_legal() {
    let touches = &CITY.touchpoints;
    let ids: HashSet<&str> = touches
        .touches
        .iter()
        .map(|t| t.id.as_str())
        .chain(touches.identifies.iter().map(|i| i.id.as_str()))
        .chain(touches.aliases.iter().map(|a| a.id.as_str()))
        .collect();
    assert_eq!(ids.len(), touches.touches.len() + touches.identifies.len() + touches.aliases.len());
    let canonical: Vec<_> = CITY
        .unified
        .entities
        .iter()
        .filter_map(|e| Some((e.entity_type.as_str(), e.canonical_id.as_deref()?)))
        .collect();
    assert_eq!(canonical.iter().collect::<HashSet<_>>().len(), canonical.len());

    let mut status: HashMap<&str, &str> = HashMap::new();
    for event in CITY.unified.claim_events.iter().flatten() {
        let before = status.insert(&event.entity, &event.to_status).unwrap_or("unclaimed");
        assert_eq!(before, event.from_status);
        assert!(matches!(
            (event.from_status.as_str(), event.to_status.as_str()),
            ("unclaimed", "pending") | ("pending", "claimed" | "unclaimed") | ("claimed", "unclaimed")
        ));
    }
    let mut stock: BTreeMap<&str, usize> = BTreeMap::new();
    for entity in &CITY.unified.entities {
        assert_eq!(status.get(entity.id.as_str()).copied().unwrap_or("unclaimed"), entity.claim_status);
        assert!(entity.claim_status != "claimed" || entity.claimed_by.is_some());
        assert!(entity.claim_status != "unclaimed" || entity.claimed_by.is_none());
        *stock.entry(&entity.claim_status).or_default() += 1;
    }
    println!("claims: {stock:?}");
    assert_eq!(stock.len(), 3);
}

#[test]
fn shared_devices_have_two_users_and_no_other_device_has() {
    let mut users: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    for row in &CITY.touchpoints.identifies {
        let (Some(device), Some(user)) = (&row.anonymous_id, &row.user_id) else { continue };
        users.entry(device).or_default().insert(user);
    }
    let shared: HashSet<&str> = users.iter().filter(|(_, u)| u.len() > 1).map(|(d, _)| *d).collect();
    let planted: HashSet<&str> = CITY.truth.shared_devices.iter().map(|d| d.anonymous_id.as_str()).collect();
    assert_eq!(shared, planted);
    assert!(!planted.is_empty());
}

#[test]
fn opportunities_stand_where_their_last_stage_change_put_them() {
    let mut stage: HashMap<&str, &str> = HashMap::new();
    for change in &CITY.twenty.stage_changes {
        let before = stage.insert(&change.opportunity, &change.after).unwrap_or("NEW");
        assert_eq!(change.before.as_deref(), Some(before));
        assert!(change.at <= now());
    }
    let mut won = 0;
    for row in &CITY.twenty.opportunities {
        assert_eq!(stage.get(row.id.as_str()).copied().unwrap_or("NEW"), row.stage);
        won += usize::from(row.stage == "CUSTOMER");
    }
    println!("{won} of {} won", CITY.twenty.opportunities.len());
    assert!(won > 0);
    let urls: Vec<_> = CITY
        .twenty
        .companies
        .iter()
        .chain(&CITY.hidden.twenty.companies)
        .filter_map(|c| c.domain_url.as_deref())
        .collect();
    assert_eq!(urls.iter().collect::<HashSet<_>>().len(), urls.len(), "the CRM's unique index");
    let emails: Vec<_> = CITY
        .twenty
        .people
        .iter()
        .chain(&CITY.hidden.twenty.people)
        .filter_map(|p| p.primary_email.as_deref())
        .collect();
    assert_eq!(emails.iter().collect::<HashSet<_>>().len(), emails.len(), "the CRM's unique index");
}

#[test]
fn a_sample_reads_like_a_city() {
    for event in CITY.directus.events.iter().skip(900).take(4) {
        println!("{} | {:?} | {:?}", event.name, event.start_date, event.promoter_name);
    }
    let names: HashSet<_> = CITY.directus.venues.iter().map(|v| &v.name).collect();
    assert_eq!(names.len(), CITY.directus.venues.len());
    assert!(
        CITY.touchpoints
            .users
            .iter()
            .all(|u| u.email.as_deref().is_some_and(|e| e.ends_with("@fans.example")))
    );
}
