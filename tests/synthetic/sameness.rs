//! Same people and seed, same city.

use rayon::ThreadPoolBuilder;
use sonograph::context::{Cancelled, Context};
use sonograph::sources::synthetic::{City, CityError, generate};

fn city(people: usize, seed: u64, threads: usize) -> City {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool starts");
    pool.install(|| generate(people, seed, &Context::silent())).expect("nobody cancels")
}

#[test]
fn one_thread_and_two_threads_make_the_same_city() {
    let one = city(3_000, 7, 1);
    let two = city(3_000, 7, 2);
    assert_eq!(one, two);
    assert_eq!(one.truth.to_json(), two.truth.to_json());
}

#[test]
fn another_seed_makes_another_city() {
    let (one, two) = (city(500, 1, 2), city(500, 2, 2));
    assert_ne!(one.touchpoints, two.touchpoints);
    assert_ne!(one.directus, two.directus);
    assert_ne!(one.twenty, two.twenty);
    assert_ne!(one.unified, two.unified);
    assert_ne!(one.truth.promoters, two.truth.promoters);
}

#[test]
fn a_village_is_a_city_too_but_an_empty_one_is_not() {
    for seed in 0..20 {
        let village = city(50, seed, 1);
        assert!(village.truth.counts.attended > 0);
    }
    assert_eq!(generate(0, 7, &Context::silent()), Err(CityError::People(0)));
}

#[test]
fn a_city_whose_making_is_stopped_says_so() {
    let cx = Context::silent();
    cx.cancel.request();
    assert_eq!(generate(1_000, 7, &cx), Err(CityError::Cancelled(Cancelled)));
}
