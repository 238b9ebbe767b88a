//! The frame of the tests of moves: two databases, what `doctor migration` says of them, and copies that lack one thing each.

use std::path::Path;
use std::process::{Command, Output};

use sonograph::context::Context;
use sonograph::sources::postgres::Session;
use sonograph::sources::postgres::migration::{self, Check, Scope, Status, Survey, Verdict};
use sonograph::sources::{DatabaseLayout, Databases, SourceError, SourceOptions, layouts};

use crate::scratch::Scratch;

/// What is known of the database of a URL.
pub async fn survey(url: &str, scope: &Scope, cx: &Context) -> Result<Survey, SourceError> {
    let mut session = Session::open(url).await?;
    let side = migration::survey(&mut session, scope, "side", cx).await;
    session.close().await;
    side
}

/// A database, and the sources found in it.
pub struct Side(pub Survey, DatabaseLayout);

impl Side {
    pub async fn of(scratch: &Scratch) -> Self {
        let (options, cx) = (SourceOptions::default(), Context::silent());
        let survey = survey(&scratch.url(), &Scope::default(), &cx).await.expect("the side can be read");
        let layout = layouts(&Databases::one(&scratch.url()), &options, &cx).await.remove(0);
        Self(survey, layout.expect("it answers"))
    }

    pub fn moved_to(&self, new: &Self) -> Verdict {
        migration::compare(&self.0, &new.0, migration::compare_services(&self.1, &new.1))
    }
}

pub async fn compare(old: &Scratch, new: &Scratch) -> Verdict {
    Side::of(old).await.moved_to(&Side::of(new).await)
}

pub fn check<'v>(verdict: &'v Verdict, name: &str) -> &'v Check {
    verdict.checks.iter().find(|check| check.check == name).unwrap_or_else(|| panic!("no check `{name}`"))
}

/// A statement, the check that must say what it did, how, and what it must name.
pub type Loss<'l> = (&'l str, &'l str, Status, &'l str);

/// A copy of `old` that nobody touched passes. One on which one statement ran fails or warns under the name of its check, which
/// names what is meant; `further` looks at each such verdict. What no copy has is `set` on every side.
pub async fn named(old: &Scratch, set: &str, losses: &[Loss<'_>], further: impl Fn(&Loss<'_>, &Verdict)) {
    old.run(set).await;
    let from = Side::of(old).await;
    let untouched = old.copy().await;
    untouched.run(set).await;
    let verdict = from.moved_to(&Side::of(&untouched).await);
    assert!(verdict.passed(), "{verdict:#?}");
    for loss in losses {
        let (sql, name, status, mention) = loss;
        let new = old.copy().await;
        new.run(set).await;
        new.run(sql).await;
        let verdict = from.moved_to(&Side::of(&new).await);
        let check = check(&verdict, name);
        assert_eq!(check.status, *status, "{sql}: {check:?}");
        let told = format!("{}\n{}", check.found, check.details.join("\n"));
        assert!(told.contains(mention), "{sql}: {check:?}");
        assert!(check.hint.is_some(), "{sql}: {check:?}");
        assert_eq!(verdict.passed(), *status == Status::Warn, "{sql}: {verdict:#?}");
        further(loss, &verdict);
    }
}

/// The program's `doctor` in a folder, with these variables alone.
pub fn doctor(dir: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).env_clear().envs(variables.iter().copied()).arg("doctor");
    command.args(arguments).output().expect("the program runs")
}
