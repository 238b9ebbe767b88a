//! Parts without which a layout is not taken for one: what is missing is named, and not the whole schema as gone.

use crate::command_line::{Runs, mirror};
use crate::footing::{doctor, elsewhere, named, told};
use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{bytes, read};

const WORKSPACE: &str = "workspace_1wgvd1injqtife6y4rvfbu3h5";

#[test]
fn of_a_layout_that_lacks_one_required_part_that_part_is_named_with_its_key() {
    with_graph("required", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        let dir = tempfile::tempdir().expect("a folder");
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);
        let (people, persons) = (
            format!("ALTER TABLE {WORKSPACE}.person RENAME TO people"),
            format!("ALTER TABLE {WORKSPACE}.people RENAME TO person"),
        );
        // What is done, how it is undone, what is told, the key, and the name that leads out, where nothing is new under it.
        let metadata = "sources.unified.columns.entities.metadata";
        let schemas = [("unified", "unified"), ("directus", "directus"), ("twenty", WORKSPACE)];
        let schemas =
            schemas.map(|(source, schema)| named(&format!("sources.{source}.schema"), schema)).concat();
        let cases: [(&str, &str, &str, &str, Option<&str>); 6] = [
            (
                "ALTER TABLE unified.entities RENAME metadata TO md",
                "ALTER TABLE unified.entities RENAME md TO metadata",
                "schema `unified` of unified is there, but `unified.entities` lacks `metadata`",
                metadata,
                Some("md"),
            ),
            (
                "ALTER TABLE unified.entities RENAME id TO key",
                "ALTER TABLE unified.entities RENAME key TO id",
                "schema `unified` of unified is there, but `unified.entities` lacks `id`",
                "sources.unified.columns.entities.id",
                Some("key"),
            ),
            (
                "ALTER TABLE unified.entities RENAME TO ents",
                "ALTER TABLE unified.ents RENAME TO entities",
                "schema `unified` of unified is there, but it has no table `entities`",
                "sources.unified.entities",
                None,
            ),
            (
                &people,
                &persons,
                "of twenty is there, but it has no table `person`",
                "must be as before",
                None,
            ),
            (
                "ALTER TABLE directus.directus_relations RENAME TO drel",
                "ALTER TABLE directus.drel RENAME TO directus_relations",
                "schema `directus` of directus is there, but it has no table `directus_relations`",
                "must be as before",
                None,
            ),
            (
                r#"UPDATE core.workspace SET "deletedAt" = now()"#,
                r#"UPDATE core.workspace SET "deletedAt" = NULL"#,
                "is there, but `core.workspace` says that its workspace",
                "sources.twenty.schema",
                Some(WORKSPACE),
            ),
        ];
        for (change, undo, what, key, name) in cases {
            scratch.run(change).await;
            for verb in ["plan", "apply"] {
                let said = told(&mut mirror(&postgres, graph, &[verb]), 3);
                assert!(said.contains(what) && said.contains(key), "{change}: {said}");
                assert!(said.contains("do not let go") && !said.contains("is found now"), "{said}");
            }
            // The same where the schemas are named. One that is named is read whether or not its workspace is deleted.
            let said = told(
                &mut elsewhere(&scratch, graph, dir.path(), &schemas, &["plan"]),
                3 * i32::from(name != Some(WORKSPACE)),
            );
            assert!(name == Some(WORKSPACE) || said.contains(what) && said.contains(key), "{change}: {said}");
            let found = doctor(&scratch, graph).assert().code(3);
            let found = String::from_utf8_lossy(&found.get_output().stdout).into_owned();
            assert!(found.matches(what).count() > 1, "as a layout, and as what the last run read: {found}");
            assert!(!found.contains("no such layout"), "{found}");
            if let Some(name) = name {
                let config = named(key, name);
                let plan = ["plan", "--format", "table"];
                let said = told(&mut elsewhere(&scratch, graph, dir.path(), &config, &plan), 0);
                assert!(said.contains("nothing to do"), "{change}: {said}");
            }
            scratch.run(undo).await;
        }
        assert_eq!(bytes(&read(client, graph).await), before, "nothing was written");
        doctor(&scratch, graph).assert().success();

        // Where a table may be called otherwise, its own key is told, and not the section.
        scratch.run("ALTER TABLE sonik_web.event_attended RENAME TO been_there").await;
        let said = told(&mut mirror(&postgres, graph, &["plan"]), 3);
        let key = "sources.touchpoints.event_attended";
        assert!(said.contains(&format!("({key})")), "{said}");
    });
}
