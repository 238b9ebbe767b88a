//! The older generation of Twenty's layout: other names, the same graph.

use sonograph::context::Context;

use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{bytes, is_settled, planned, read, resolved, run};

const OLDER: &str = r#"
    CREATE SCHEMA metadata; ALTER TABLE core."objectMetadata" SET SCHEMA metadata;
    ALTER TABLE core."fieldMetadata" SET SCHEMA metadata;
    SET search_path = workspace_1wgvd1injqtife6y4rvfbu3h5;
    ALTER TABLE "noteTarget" RENAME "targetPersonId" TO "personId";
    ALTER TABLE "noteTarget" RENAME "targetCompanyId" TO "companyId";
    ALTER TABLE "noteTarget" RENAME "targetOpportunityId" TO "opportunityId";
    ALTER TABLE "timelineActivity" RENAME "targetPersonId" TO "personId";
    ALTER TABLE "timelineActivity" RENAME "targetCompanyId" TO "companyId";
    ALTER TABLE "timelineActivity" RENAME "targetOpportunityId" TO "opportunityId";
    ALTER TABLE opportunity DROP COLUMN "ownerId"; UPDATE core.workspace SET "databaseSchema" = '';
"#;

#[test]
fn the_older_generation_of_twenty_gives_the_same_graph_to_the_last_byte() {
    with_graph("generations", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let newer = scratch.facts().await.expect("the layouts can be read");
        run(client, graph, &newer, &Context::silent()).await.expect("it is written");
        let written = read(client, graph).await;

        scratch.run(OLDER).await;
        let older = scratch.facts().await.expect("the older layout can be read");
        let wanted = resolved(&older, &written);
        assert_eq!(
            bytes(&wanted.to_tables().expect("a graph")),
            bytes(&resolved(&newer, &written).to_tables().expect("a graph"))
        );
        assert!(planned(&wanted, &written).1, "the graph of the newer one is its graph");
        is_settled(client, graph, &older, 1).await;
    });
}
