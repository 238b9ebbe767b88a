-- The Twenty CRM layout of a synthetic city: tenants and metadata in `core`, one workspace schema, camelCase tables and
-- columns, enums per column, soft delete by "deletedAt" with unique keys that deleted rows still hold.
CREATE SCHEMA core;
COMMENT ON SCHEMA core IS 'sonograph synthetic city';
CREATE TYPE core."workspace_activationStatus_enum" AS ENUM
  ('ONGOING_CREATION', 'PENDING_CREATION', 'ACTIVE', 'INACTIVE', 'SUSPENDED');
CREATE TABLE core."workspace" (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "displayName" varchar, subdomain varchar NOT NULL UNIQUE,
  "databaseUrl" varchar NOT NULL DEFAULT '', "databaseSchema" varchar NOT NULL DEFAULT '',
  "activationStatus" core."workspace_activationStatus_enum" NOT NULL DEFAULT 'INACTIVE',
  "metadataVersion" integer NOT NULL DEFAULT 1, "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz
);
CREATE TABLE core."objectMetadata" (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "nameSingular" varchar NOT NULL, "namePlural" varchar NOT NULL,
  "labelSingular" varchar NOT NULL, "labelPlural" varchar NOT NULL, "targetTableName" varchar NOT NULL,
  "isCustom" boolean NOT NULL DEFAULT false, "isActive" boolean NOT NULL DEFAULT false,
  "isSystem" boolean NOT NULL DEFAULT false, "workspaceId" uuid NOT NULL,
  "createdAt" timestamptz NOT NULL DEFAULT now(), "updatedAt" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("nameSingular", "workspaceId"), UNIQUE ("namePlural", "workspaceId")
);
CREATE TABLE core."fieldMetadata" (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "objectMetadataId" uuid NOT NULL REFERENCES core."objectMetadata"(id) ON DELETE CASCADE,
  type varchar NOT NULL, name varchar NOT NULL, label varchar NOT NULL, options jsonb, settings jsonb,
  "isCustom" boolean NOT NULL DEFAULT false, "isActive" boolean NOT NULL DEFAULT false,
  "isSystem" boolean NOT NULL DEFAULT false, "isNullable" boolean DEFAULT true, "isUnique" boolean DEFAULT false,
  "relationTargetObjectMetadataId" uuid, "relationTargetFieldMetadataId" uuid, "morphId" uuid,
  "workspaceId" uuid NOT NULL, "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), UNIQUE (name, "objectMetadataId", "workspaceId")
);

CREATE SCHEMA workspace_1wgvd1injqtife6y4rvfbu3h5;
COMMENT ON SCHEMA workspace_1wgvd1injqtife6y4rvfbu3h5 IS 'sonograph synthetic city';
SET LOCAL search_path = workspace_1wgvd1injqtife6y4rvfbu3h5;

CREATE TYPE "company_createdBySource_enum" AS ENUM
  ('EMAIL', 'CALENDAR', 'WORKFLOW', 'AGENT', 'API', 'IMPORT', 'MANUAL', 'SYSTEM', 'WEBHOOK', 'APPLICATION');
CREATE TYPE "person_createdBySource_enum" AS ENUM
  ('EMAIL', 'CALENDAR', 'WORKFLOW', 'AGENT', 'API', 'IMPORT', 'MANUAL', 'SYSTEM', 'WEBHOOK', 'APPLICATION');
CREATE TYPE "opportunity_createdBySource_enum" AS ENUM
  ('EMAIL', 'CALENDAR', 'WORKFLOW', 'AGENT', 'API', 'IMPORT', 'MANUAL', 'SYSTEM', 'WEBHOOK', 'APPLICATION');
CREATE TYPE "_promoter_createdBySource_enum" AS ENUM
  ('EMAIL', 'CALENDAR', 'WORKFLOW', 'AGENT', 'API', 'IMPORT', 'MANUAL', 'SYSTEM', 'WEBHOOK', 'APPLICATION');
CREATE TYPE opportunity_stage_enum AS ENUM ('NEW', 'SCREENING', 'MEETING', 'PROPOSAL', 'CUSTOMER');

CREATE TABLE "workspaceMember" (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz, position double precision NOT NULL DEFAULT 0,
  "nameFirstName" text, "nameLastName" text, "userEmail" text, "userId" uuid
);
CREATE TABLE company (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz, name text,
  "domainNamePrimaryLinkLabel" text, "domainNamePrimaryLinkUrl" text, "domainNameSecondaryLinks" jsonb,
  "addressAddressStreet1" text, "addressAddressCity" text, "addressAddressPostcode" text, "addressAddressState" text,
  "addressAddressCountry" text, "addressAddressLat" numeric, "addressAddressLng" numeric, employees double precision,
  "annualRecurringRevenueAmountMicros" numeric, "annualRecurringRevenueCurrencyCode" text,
  "idealCustomerProfile" boolean NOT NULL DEFAULT false, position double precision NOT NULL DEFAULT 0,
  "createdBySource" "company_createdBySource_enum" NOT NULL DEFAULT 'MANUAL',
  "createdByName" text NOT NULL DEFAULT 'System',
  "accountOwnerId" uuid REFERENCES "workspaceMember"(id) ON DELETE SET NULL,
  "searchVector" tsvector GENERATED ALWAYS AS
    (to_tsvector('simple', coalesce(name, '') || ' ' || coalesce("domainNamePrimaryLinkUrl", ''))) STORED
);
CREATE UNIQUE INDEX "IDX_UNIQUE_2a32339058d0b6910b0834ddf81" ON company ("domainNamePrimaryLinkUrl");
CREATE TABLE person (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz, "nameFirstName" text, "nameLastName" text,
  "emailsPrimaryEmail" text, "emailsAdditionalEmails" jsonb, "linkedinLinkPrimaryLinkUrl" text, "jobTitle" text,
  "phonesPrimaryPhoneNumber" text, "phonesPrimaryPhoneCountryCode" text, "phonesPrimaryPhoneCallingCode" text,
  city text, "avatarUrl" text, position double precision NOT NULL DEFAULT 0,
  "createdBySource" "person_createdBySource_enum" NOT NULL DEFAULT 'MANUAL',
  "createdByName" text NOT NULL DEFAULT 'System',
  "companyId" uuid REFERENCES company(id) ON DELETE SET NULL,
  "instagramPrimaryLinkLabel" text, "instagramPrimaryLinkUrl" text, "instagramSecondaryLinks" jsonb,
  "searchVector" tsvector GENERATED ALWAYS AS (to_tsvector('simple', coalesce("nameFirstName", '') || ' ' ||
    coalesce("nameLastName", '') || ' ' || coalesce("emailsPrimaryEmail", ''))) STORED
);
CREATE UNIQUE INDEX "IDX_UNIQUE_87914cd3ce963115f8cb943e2ac" ON person ("emailsPrimaryEmail");
CREATE INDEX "IDX_person_companyId" ON person ("companyId");
CREATE TABLE opportunity (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz, name text,
  "amountAmountMicros" numeric, "amountCurrencyCode" text, "closeDate" timestamptz,
  stage opportunity_stage_enum NOT NULL DEFAULT 'NEW', position double precision NOT NULL DEFAULT 0,
  "createdBySource" "opportunity_createdBySource_enum" NOT NULL DEFAULT 'MANUAL',
  "createdByName" text NOT NULL DEFAULT 'System',
  "pointOfContactId" uuid REFERENCES person(id) ON DELETE SET NULL,
  "companyId" uuid REFERENCES company(id) ON DELETE SET NULL,
  "ownerId" uuid REFERENCES "workspaceMember"(id) ON DELETE SET NULL
);
CREATE TABLE note (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz, title text, "bodyV2Markdown" text
);
CREATE TABLE "noteTarget" (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz,
  "noteId" uuid REFERENCES note(id) ON DELETE CASCADE, "targetPersonId" uuid REFERENCES person(id) ON DELETE CASCADE,
  "targetCompanyId" uuid REFERENCES company(id) ON DELETE CASCADE,
  "targetOpportunityId" uuid REFERENCES opportunity(id) ON DELETE CASCADE
);
CREATE TABLE "timelineActivity" (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz,
  "happensAt" timestamptz NOT NULL DEFAULT now(), name text, properties jsonb, "linkedRecordCachedName" text,
  "linkedRecordId" uuid, "linkedObjectMetadataId" uuid,
  "workspaceMemberId" uuid REFERENCES "workspaceMember"(id) ON DELETE CASCADE,
  "targetPersonId" uuid REFERENCES person(id) ON DELETE CASCADE,
  "targetCompanyId" uuid REFERENCES company(id) ON DELETE CASCADE,
  "targetOpportunityId" uuid REFERENCES opportunity(id) ON DELETE SET NULL
);
CREATE TABLE "_promoter" (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz, name text,
  "createdBySource" "_promoter_createdBySource_enum" NOT NULL DEFAULT 'MANUAL',
  "createdByName" text NOT NULL DEFAULT 'System', position double precision NOT NULL DEFAULT 0,
  "companyId" uuid REFERENCES company(id) ON DELETE SET NULL
);

INSERT INTO core."workspace"
  (id, "displayName", subdomain, "databaseSchema", "activationStatus", "createdAt", "updatedAt") VALUES
  ('20202020-1c25-4d02-bf25-6aeccf7ea419', 'City', 'city', 'workspace_1wgvd1injqtife6y4rvfbu3h5', 'ACTIVE',
   '2025-05-01T00:00:00Z', '2025-05-01T00:00:00Z');
INSERT INTO core."objectMetadata" (id, "nameSingular", "namePlural", "labelSingular", "labelPlural",
  "targetTableName", "isCustom", "isActive", "workspaceId", "createdAt", "updatedAt")
SELECT ('0a200000-0000-4000-8000-00000000000' || n)::uuid, singular, plural, initcap(singular), initcap(plural),
  'DEPRECATED', singular = 'promoter', true, '20202020-1c25-4d02-bf25-6aeccf7ea419',
  '2025-05-01T00:00:00Z', '2025-05-01T00:00:00Z'
FROM (VALUES (1, 'person', 'people'), (2, 'company', 'companies'), (3, 'opportunity', 'opportunities'),
  (4, 'promoter', 'promoters')) AS object (n, singular, plural);
INSERT INTO core."fieldMetadata" (id, "objectMetadataId", type, name, label, settings, "isCustom", "isActive",
  "relationTargetObjectMetadataId", "workspaceId", "createdAt", "updatedAt")
SELECT ('0b200000-0000-4000-8000-00000000000' || n)::uuid, '0a200000-0000-4000-8000-000000000001', kind, name,
  initcap(name), settings::jsonb, name = 'instagram', true, target::uuid, '20202020-1c25-4d02-bf25-6aeccf7ea419',
  '2025-05-01T00:00:00Z', '2025-05-01T00:00:00Z'
FROM (VALUES (1, 'FULL_NAME', 'name', NULL, NULL), (2, 'EMAILS', 'emails', NULL, NULL),
  (3, 'LINKS', 'instagram', NULL, NULL),
  (4, 'RELATION', 'company', '{"relationType":"MANY_TO_ONE","onDelete":"SET_NULL","joinColumnName":"companyId"}',
   '0a200000-0000-4000-8000-000000000002')) AS field (n, kind, name, settings, target);
INSERT INTO "workspaceMember" (id, "createdAt", "updatedAt", "nameFirstName", "nameLastName", "userEmail") VALUES
  ('0c200000-0000-4000-8000-000000000001', '2025-05-01T00:00:00Z', '2025-05-01T00:00:00Z', 'City', 'Desk',
   'desk@city.example');
