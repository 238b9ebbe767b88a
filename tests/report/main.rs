//! The weekly report: one page that holds everything, the same bytes every time, whatever people are called.

mod samples;
mod well_formed;

use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use polars::prelude::df;
use samples::{chart, empty, files, findings, hostile, page, plain, tables, uids, write};
use sonograph::context::{Bar, Cancel, Context, Diagnose, Fault, Progress};
use sonograph::report::{ReportError, ReportInput, SnapshotFacts, check_target, weekly};
use sonograph::snapshot::tables::Tables;
use sonograph::studies::Question;
use sonograph::studies::findings::{Findings, Marks, ScoreColumn, Scores, Table};
use well_formed::{assert_well_formed, assert_well_formed_body};

#[test]
fn the_same_input_gives_the_same_bytes_and_no_partial_folder_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let (tables, findings) = (tables(&plain()), findings(&plain()));
    for name in ["a", "b"] {
        write("Weekly report", &tables, &findings, &dir.path().join(name));
    }
    let (a, b) = (files(&dir.path().join("a")), files(&dir.path().join("b")));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(bytes == &b[name], "{name} differs");
        assert!(!name.contains("partial"), "{name} was left over");
    }
}

#[test]
fn a_later_report_replaces_the_earlier_one_and_leaves_other_files_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("mine.txt"), "keep").expect("written");
    write("First", &tables(&plain()), &findings(&plain()), dir.path());
    let paths = write("Second", &tables(&plain()), &[], dir.path());
    assert!(page(&paths).contains("Second"));
    let names: Vec<String> = files(dir.path()).into_keys().collect();
    assert_eq!(names, ["index.html", "mine.txt", "report.md"]);
}

#[test]
fn a_report_refuses_by_name_what_it_would_have_replaced_and_did_not_write() {
    let dir = tempfile::tempdir().expect("a folder");
    let paths = write("First", &tables(&plain()), &findings(&plain()), dir.path());
    check_target(dir.path()).expect("it is all ours");
    for name in ["tables/mine.txt", "figures/own.png"] {
        std::fs::write(dir.path().join(name), "mine").expect("written");
        let error = check_target(dir.path()).expect_err("refused");
        assert!(error.to_string().contains(&format!("holds `{name}`")), "{error}");
        assert_eq!(error.fault(), Fault::Input);
        std::fs::remove_file(dir.path().join(name)).expect("removed");
    }
    std::fs::write(&paths.html, "<h1>my own page</h1>").expect("written");
    assert!(matches!(check_target(dir.path()), Err(ReportError::Occupied(_))));
}

/// Asks to stop as soon as a report has begun to draw.
#[derive(Debug, Clone)]
struct Stop(Cancel);

impl Progress for Stop {
    fn begin(&self, _: &str, _: Option<u64>) -> Box<dyn Bar> {
        Box::new(self.clone())
    }
}

impl Bar for Stop {
    fn set(&self, done: u64, _: Option<u64>) {
        if done > 1 {
            self.0.request();
        }
    }

    fn end(&self) {}
}

#[test]
fn a_report_that_fails_leaves_none_of_the_folders_that_it_made() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("mine")).expect("made");
    let (tables, findings) = (tables(&plain()), findings(&plain()));
    for (name, stays) in [("new", false), ("new/below/another", false), ("mine", true)] {
        let cancel = Cancel::default();
        let cx = Context::new(Arc::new(Stop(cancel.clone())), cancel, 1, 1);
        let out = dir.path().join(name);
        let input = samples::input("Weekly report", &tables, &findings, &out);
        let error = weekly(&input, &cx).expect_err("it was asked to stop");
        assert!(matches!(error, ReportError::Cancelled(_)), "{error}");
        assert_eq!(out.exists(), stays, "{name}");
        assert!(!stays || files(&out).is_empty(), "{name}");
    }
    assert!(!dir.path().join("new").exists(), "nor one above");
}

#[test]
fn every_study_has_its_part_with_figures_tables_and_the_command_that_makes_it_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let paths = write("Weekly report", &tables(&plain()), &findings(&plain()), dir.path());
    let html = page(&paths);
    let parts = [
        "headline",
        "found",
        "influence",
        "community",
        "conversion",
        "virality",
        "paths",
        "health",
        "glossary",
    ];
    let places: Vec<usize> = parts
        .iter()
        .map(|id| html.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no part {id}")))
        .collect();
    assert!(places.is_sorted(), "parts are out of order");
    assert!(html.contains("sonograph study influence --snapshot snapshots&#x2f;city-7 --metrics pagerank,degree --damping 0.85 --seed 7"));
    let all = files(dir.path());
    for figure in ["influence_top", "community_network", "promoter_rates", "cascade_sizes", "cascade_shape"] {
        assert!(html.contains(&format!("id=\"figure-{figure}\"")), "{figure} is not on the page");
        let svg = String::from_utf8(all[&format!("figures/{figure}.svg")].clone()).expect("text");
        assert_well_formed(&svg);
        let png = png::Decoder::new(std::io::Cursor::new(&all[&format!("figures/{figure}.png")]));
        let mut reader = png.read_info().expect("a PNG header");
        let mut pixels = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut pixels).expect("a PNG");
        assert_eq!(info.width, 1_440);
        assert!(pixels.chunks(3).any(|p| p[2].saturating_sub(p[0]) > 60), "{figure} has nothing blue in it");
    }
    for table in [
        "influence_scores",
        "community_coattendance",
        "conversion_promoters",
        "virality_cascades",
        "paths_paths",
    ] {
        assert!(
            all.contains_key(&format!("tables/{table}.parquet"))
                && all.contains_key(&format!("tables/{table}.csv"))
        );
    }
}

/// The studies' flags, as the command line takes them.
#[derive(Debug, clap::Parser)]
struct Study {
    #[command(subcommand)]
    question: Question,
}

#[test]
fn the_command_of_every_part_asks_the_same_question_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let questions = [
        "study influence --damping 0.5 --metrics pagerank,degree --sources a,b --relations FOLLOWS --undirected --as-of 2026-03-01 --half-life 30",
        "study community --min-support 3 --labels Person,Event",
        "study conversion --interval jeffreys",
        "study paths --from a --to b -k 3 --via FOLLOWS,ATTENDED",
        "study virality --parents explicit --window 3.5",
    ]
    .map(|line| Study::try_parse_from(line.split(' ')).expect("flags are known").question);
    for question in Question::all().into_iter().chain(questions) {
        let family = question.family().name;
        let asked = Findings::new(family, question.parameters());
        let paths = write("Weekly report", &tables(&plain()), &[asked], dir.path());
        let markdown = std::fs::read_to_string(&paths.markdown).expect("a summary");
        let command =
            markdown.split("Again: `").nth(1).and_then(|rest| rest.split('`').next()).expect("a command");
        let flags =
            command.strip_prefix("sonograph ").expect("ours").replace("--snapshot snapshots/city-7 ", "");
        let flags = flags.trim_end_matches("--snapshot snapshots/city-7").trim();
        let again = Study::try_parse_from(flags.split(' ')).unwrap_or_else(|e| panic!("{command}: {e}"));
        assert_eq!(again.question, question, "{command}");
    }
}

#[test]
fn sentences_say_what_the_tables_hold_and_no_more() {
    let dir = tempfile::tempdir().expect("a folder");
    let paths = write("Weekly report", &tables(&plain()), &findings(&plain()), dir.path());
    let html = page(&paths);
    for sentence in [
        "<bdi>Ada Lovelace</bdi> has the highest PageRank of 6 people (0.4), 2 times that of <bdi>Grace Hopper</bdi>, the next.",
        "Of 1,200 people at <bdi>Ada Lovelace live</bdi>, 40 were also at <bdi>Grace Hopper live</bdi>: 3.5 times as many as two unrelated audiences of these sizes would share.",
        "1 interval of the 5 others overlaps it, so their order is not settled.",
        "2 of 6 cascades (33.3\u{a0}%) went no further than their first sharer; the largest, begun by <bdi>Ada Lovelace</bdi>, has 120 sharers at a depth of 6.",
        "<bdi>Ada Lovelace</bdi> reaches <bdi>Katherine Johnson</bdi> in 2 steps, by way of <bdi>Grace Hopper</bdi>.",
    ] {
        assert!(html.contains(sentence), "missing: {sentence}");
    }
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let dir = tempfile::tempdir().expect("a folder");
    let paths = write("Weekly report", &tables(&hostile()), &findings(&hostile()), dir.path());
    let html = page(&paths);
    for forbidden in ["<script", "<iframe", "<img", "@import", "url(", " src=", "javascript:"] {
        assert!(!html.contains(forbidden), "{forbidden} in the page");
    }
    for (at, _) in html.match_indices("href=\"") {
        let target = &html[at + 6..];
        assert!(target.starts_with('#') || target.starts_with("data:,\""), "{}", &target[..40]);
    }
    let known = ["http://www.w3.org/2000/svg"];
    for (at, _) in html.match_indices("=\"http") {
        assert!(known.iter().any(|k| html[at + 2..].starts_with(k)), "{}", &html[at..at + 60]);
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn hostile_names_are_text_everywhere() {
    let dir = tempfile::tempdir().expect("a folder");
    let names = hostile();
    let paths = write(&names[1], &tables(&names), &findings(&names), dir.path());
    let html = page(&paths);
    assert!(html.contains("&lt;script&gt;alert("), "the name is shown");
    assert!(html.contains(&"long ".repeat(59)), "a long name stands whole in a table");
    assert!(html.contains("{{ 7 * 7 }} {% raw %}"), "a name is no template");
    assert_well_formed_body(&html);
    let markdown = std::fs::read_to_string(&paths.markdown).expect("a summary");
    for (what, text) in [("page", &html), ("summary", &markdown)] {
        let acts = |c: char| {
            (c.is_control() && c != '\n') || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}')
        };
        assert!(!text.contains(acts), "the {what} holds characters that act on its reader");
        assert!(text.contains("مهرجان �الموسيقى"), "an override is shown in the {what}");
    }
    assert!(!markdown.contains("<script") && !markdown.contains("\n# heading"));
    for line in markdown.lines().filter(|l| l.starts_with("| 1 |") || l.contains("HYPERLINK")) {
        assert!(!line.contains("|a|"), "a name made a column: {line}");
    }
    for (name, bytes) in files(dir.path()) {
        match Path::new(&name).extension().and_then(|e| e.to_str()) {
            Some("svg") => assert_well_formed(&String::from_utf8(bytes).expect("text")),
            Some("csv") => {
                let mut reader = csv::Reader::from_reader(bytes.as_slice());
                for field in reader
                    .records()
                    .flat_map(|r| r.expect("a row").iter().map(str::to_owned).collect::<Vec<_>>())
                {
                    assert!(!field.starts_with(['=', '@', '\t', '\r']), "{name} holds the formula {field}");
                }
            }
            _ => {}
        }
    }
}

#[test]
fn nothing_found_still_makes_a_whole_page_that_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let nothing = [
        Findings {
            charts: vec![chart(
                "cascade_sizes",
                "How large cascades get",
                ("sharers", "share"),
                Marks::Ccdf { steps: vec![] },
                "Nobody",
            )],
            tables: vec![Table {
                name: "cascades",
                title: "Cascades",
                frame: df!("root" => Vec::<String>::new(), "size" => Vec::<i64>::new()).expect("no rows"),
            }],
            ..empty("virality")
        },
        empty("conversion"),
    ];
    let paths = write("Weekly report", &Tables::default(), &nothing, dir.path());
    let html = page(&paths);
    assert!(html.contains("The studies found nothing to report"));
    assert_eq!(html.matches("There is nothing here to show").count(), 2);
    assert!(html.contains("Nothing to draw") && html.contains("The data carries no times"));
    assert_well_formed_body(&html);
    let none = write("Weekly report", &Tables::default(), &[], &dir.path().join("none"));
    assert!(page(&none).contains("No study was run"));
}

#[test]
fn a_table_on_the_page_is_short_and_the_one_beside_it_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let sizes: Vec<i64> = (0..500).collect();
    let many = Findings {
        tables: vec![Table {
            name: "cascades",
            title: "Cascades",
            frame: df!("root" => uids("person", 500), "size" => sizes, "depth" => vec![1i64; 500])
                .expect("columns of one length"),
        }],
        ..empty("virality")
    };
    let paths = write("Weekly report", &tables(&plain()), &[many], dir.path());
    let html = page(&paths);
    assert!(html.contains("10 of 500 cascades, largest first") && html.contains("<bdi>person:499</bdi>"));
    assert!(!html.contains("<bdi>person:400</bdi>"));
    let csv = std::fs::read_to_string(paths.tables.join("virality_cascades.csv")).expect("a table");
    assert_eq!(csv.lines().count(), 501);
}

#[test]
fn a_folder_that_cannot_be_made_names_itself_and_a_file_in_its_way_is_the_users_slip() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("written");
    let out = file.join("report");
    let tables = Tables::default();
    let input = ReportInput {
        title: "t",
        snapshot: SnapshotFacts::default(),
        tables: &tables,
        findings: &[],
        out: &out,
    };
    let error = weekly(&input, &Context::silent()).expect_err("no folder below a file");
    assert!(error.to_string().contains("file/report"), "{error}");
    assert_eq!(error.fault(), Fault::Input);
}

#[test]
fn a_report_that_is_cancelled_leaves_the_earlier_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let paths = write("First", &tables(&plain()), &findings(&plain()), dir.path());
    let cx = Context::silent();
    cx.cancel.request();
    let tables = Tables::default();
    let input = ReportInput {
        title: "Second",
        snapshot: SnapshotFacts::default(),
        tables: &tables,
        findings: &[],
        out: dir.path(),
    };
    assert!(weekly(&input, &cx).is_err());
    assert!(page(&paths).contains("First"));
}

#[test]
fn of_two_reports_into_one_folder_at_once_the_second_is_told_and_the_first_stays_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = write("First", &tables(&plain()), &findings(&plain()), dir.path());
    // Another report is being written there.
    let writing = std::fs::File::open(dir.path()).expect("a folder");
    writing.try_lock().expect("nobody else writes");
    let tables = Tables::default();
    let snapshot = SnapshotFacts::default();
    let input = ReportInput { title: "Second", snapshot, tables: &tables, findings: &[], out: dir.path() };
    let error = weekly(&input, &Context::silent()).expect_err("the folder is taken");
    assert!(error.to_string().starts_with("another report or study is being written into `"), "{error}");
    assert_eq!(error.fault(), Fault::Environment);
    assert!(error.hint().is_some_and(|hint| hint.contains("--out")));
    assert!(page(&first).contains("First"));
    drop(writing);
    assert!(page(&weekly(&input, &Context::silent()).expect("now it is free")).contains("Second"));
}

/// Scores of one family, a row per node.
fn scored(family: &'static str, score: &'static str, rows: &[(&str, &str, f64)]) -> Findings {
    let frame = df!(
        "uid" => rows.iter().map(|row| row.0).collect::<Vec<_>>(),
        "label" => rows.iter().map(|row| row.1).collect::<Vec<_>>(),
        score => rows.iter().map(|row| row.2).collect::<Vec<_>>(),
    );
    let columns = vec![ScoreColumn { name: score, unit: "1", meaning: "a score" }];
    let scores = Scores { columns, frame: frame.expect("columns of one length") };
    Findings { scores: Some(scores), ..empty(family) }
}

#[test]
fn rankings_are_of_what_a_reader_can_act_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows = [
        ("v", "Venue", 0.3),
        ("anon:1", "Visitor", 0.9),
        ("genre:house", "Genre", 0.8),
        ("o", "Organization", 0.2),
        ("https://sonik.example/e/1", "Content", 0.1),
        ("p", "Person", 0.1),
    ];
    let influence = scored("influence", "influence_pagerank", &rows);
    let paths = write("Weekly report", &tables(&plain()), &[influence], dir.path());
    let html = page(&paths);
    let titles = ["People", "Organizations", "Venues", "Pieces of content"];
    let places: Vec<Option<usize>> =
        titles.iter().map(|t| html.find(&format!("{t} by PageRank, highest first"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    assert!(!html.contains("genre:house") && !html.contains("anon:1"), "they are in the table at rest");
    assert!(html.contains("<bdi>sonik.example&#x2f;e&#x2f;1</bdi>"), "an address without its scheme");
    assert!(html.contains("there is nobody to compare with"), "one person is no ranking");

    // A graph of somebody else's has other labels.
    let other = scored("influence", "influence_pagerank", &[("a", "Page", 0.6), ("b", "Page", 0.4)]);
    assert!(
        page(&write("Weekly report", &tables(&plain()), &[other], dir.path())).contains("Page by PageRank")
    );
}

#[test]
fn sharers_are_ranked_by_whom_they_led_on_and_the_others_are_left_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows = [("person:0", "Person", 0.0), ("person:1", "Person", 11.5), ("person:2", "Person", 0.5)];
    let paths =
        write("Weekly report", &tables(&plain()), &[scored("virality", "virality_r", &rows)], dir.path());
    let html = page(&paths);
    let (first, second) = (html.find("<bdi>Grace Hopper</bdi>"), html.find("<bdi>Katherine Johnson</bdi>"));
    assert!(first.is_some() && first < second, "{first:?} {second:?}");
    assert!(html.contains("all 2 people") && !html.contains("<bdi>Ada Lovelace</bdi>"));
}

#[test]
fn one_of_something_is_spoken_of_as_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let told = |findings: Findings| page(&write("Weekly report", &tables(&plain()), &[findings], dir.path()));
    let of =
        |family, name, frame| Findings { tables: vec![Table { name, title: name, frame }], ..empty(family) };
    let cascade = |size: i64| {
        let frame = df!("root" => ["person:0"], "size" => [size], "depth" => [i64::from(size > 1)]);
        told(of("virality", "cascades", frame.expect("columns of one length")))
    };
    assert!(
        cascade(1)
            .contains("The only cascade went no further than its first sharer, <bdi>Ada Lovelace</bdi>.")
    );
    assert!(
        cascade(3)
            .contains("The only cascade, begun by <bdi>Ada Lovelace</bdi>, has 3 sharers at a depth of 1.")
    );
    let pair = df!("event" => ["event:0"], "other" => ["event:1"], "both" => [1i64], "n_event" => [1i64], "lift" => [2.0]);
    let together = told(of("community", "coattendance", pair.expect("columns of one length")));
    assert!(
        together.contains("Of 1 person at <bdi>Ada Lovelace live</bdi>, 1 was also at"),
        "one person was"
    );
}
