-- The column by which the object $1[1] of the workspace $1[2] names its company.
SELECT f.settings ->> 'joinColumnName'
FROM {schema}."fieldMetadata" f
JOIN {schema}."objectMetadata" o ON o.id = f."objectMetadataId"
JOIN {schema}."objectMetadata" c ON c.id = f."relationTargetObjectMetadataId"
WHERE o."nameSingular" = ($1)[1] AND f."workspaceId"::text = ($1)[2]
  AND c."nameSingular" = 'company' AND f.settings ->> 'joinColumnName' IS NOT NULL
ORDER BY f.id
LIMIT 1
