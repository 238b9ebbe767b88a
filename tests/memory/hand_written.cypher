// A small memory as Cognee's adapter writes one, a query to a line. [vector] stands for 1536 numbers.
// An edge before its nodes: both ends are made without a label. `chunk-1` never comes, `velvet` comes later beside its stub.
MERGE (source {id: 'chunk-1'}) MERGE (target {id: 'velvet'}) MERGE (source)-[r:contains]->(target) SET r += {source_node_id: 'chunk-1', target_node_id: 'velvet', relationship_name: 'contains', updated_at: '2026-11-22 16:55:34'}, r.updated_at = 1795366534000
MERGE (node:Entity {id: 'velvet'}) SET node += {name: 'Velvet Meridian', type: 'Entity', created_at: 1795366534971, updated_at: 1795366534971, version: 1, topological_rank: 0, metadata: '{"index_fields": ["name"]}', belongs_to_set: ['music', 'berlin'], name_vector: [vector]}, node.name_vector = vecf32([vector])
MERGE (node:Entity {id: 'velvet-2'}) SET node += {name: 'velvet meridian', type: 'Entity', created_at: 1795366534971, version: 1, topological_rank: 0, metadata: '{broken', belongs_to_set: '["music", "hamburg"]'}, node.name_vector = vecf32([vector])
MERGE (node:Entity {id: 'ceiling'}) SET node += {name: 'Low Ceiling', type: 'Entity', created_at: 1795366534971, version: 1, topological_rank: 0, metadata: '{}', name_vector: [vector]}
MERGE (node:EntityType {id: 'type-artist'}) SET node += {name: 'artist', type: 'EntityType', topological_rank: 0, metadata: '{}'}
MERGE (node:EntityType {id: 'type-club'}) SET node += {name: 'club', type: 'EntityType', topological_rank: 0, metadata: '{}'}
CREATE (:NodeSet {name: 'music', topological_rank: 1})
MATCH (a:Entity {id: 'velvet'}), (b {id: 'type-artist'}) MERGE (a)-[r:is_a]->(b) SET r += {relationship_name: 'is_a'}
MATCH (a {id: 'ceiling'}), (b {id: 'type-club'}) MERGE (a)-[r:is_a]->(b) SET r += {relationship_name: 'is_a'}
MATCH (a:Entity {id: 'velvet'}), (b {id: 'ceiling'}) MERGE (a)-[r:tritt_auf_fur_immer]->(b) SET r += {relationship_name: 'tritt auf/für immer', updated_at: 1795366534000}
