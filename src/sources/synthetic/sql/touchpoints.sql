-- The Segment warehouse layout of a synthetic city: standard columns in `tracks`, properties in one table per event.
CREATE SCHEMA sonik_web;
COMMENT ON SCHEMA sonik_web IS 'sonograph synthetic city';
SET LOCAL search_path = sonik_web;
CREATE TABLE identifies (
  id varchar(512) PRIMARY KEY, received_at timestamptz, uuid_ts timestamptz, sent_at timestamptz,
  original_timestamp timestamptz, "timestamp" timestamptz, anonymous_id varchar(512), user_id varchar(512),
  email varchar(512), name varchar(512), context_ip varchar(512), context_user_agent varchar(512)
);
CREATE TABLE users (
  id varchar(512) PRIMARY KEY, received_at timestamptz, uuid_ts timestamptz, email varchar(512), name varchar(512)
);
CREATE TABLE aliases (
  id varchar(512) PRIMARY KEY, received_at timestamptz, "timestamp" timestamptz, previous_id varchar(512),
  user_id varchar(512)
);
CREATE TABLE pages (
  id varchar(512) PRIMARY KEY, received_at timestamptz, uuid_ts timestamptz, sent_at timestamptz,
  original_timestamp timestamptz, "timestamp" timestamptz, anonymous_id varchar(512), user_id varchar(512),
  name varchar(512), url varchar(2048), path varchar(2048), referrer varchar(2048), title varchar(512),
  context_campaign_source varchar(512), context_campaign_medium varchar(512), context_campaign_name varchar(512),
  context_session_id bigint
);
CREATE TABLE tracks (
  id varchar(512) PRIMARY KEY, received_at timestamptz, uuid_ts timestamptz, sent_at timestamptz,
  original_timestamp timestamptz, "timestamp" timestamptz, anonymous_id varchar(512), user_id varchar(512),
  event varchar(512), event_text varchar(512), context_page_url varchar(2048), context_page_path varchar(2048),
  context_page_referrer varchar(2048), context_campaign_source varchar(512), context_campaign_medium varchar(512),
  context_campaign_name varchar(512), context_campaign_content varchar(512), context_campaign_term varchar(512),
  context_ip varchar(512), context_user_agent varchar(512), context_session_id bigint
);
CREATE TABLE event_viewed (
  id varchar(512) PRIMARY KEY, received_at timestamptz, "timestamp" timestamptz, anonymous_id varchar(512),
  user_id varchar(512), event varchar(512), event_text varchar(512), event_id bigint
);
CREATE TABLE event_saved (LIKE event_viewed INCLUDING ALL);
CREATE TABLE event_attended (LIKE event_viewed INCLUDING ALL, method varchar(512));
CREATE TABLE ticket_link_clicked (LIKE event_viewed INCLUDING ALL, seller varchar(512));
CREATE TABLE content_shared (
  id varchar(512) PRIMARY KEY, received_at timestamptz, "timestamp" timestamptz, anonymous_id varchar(512),
  user_id varchar(512), event varchar(512), event_text varchar(512), content_url varchar(2048), event_id bigint,
  channel varchar(512), parent_share_id varchar(512)
);
CREATE TABLE artist_followed (
  id varchar(512) PRIMARY KEY, received_at timestamptz, "timestamp" timestamptz, anonymous_id varchar(512),
  user_id varchar(512), event varchar(512), event_text varchar(512), artist_id varchar(512)
);
CREATE TABLE user_followed (
  id varchar(512) PRIMARY KEY, received_at timestamptz, "timestamp" timestamptz, anonymous_id varchar(512),
  user_id varchar(512), event varchar(512), event_text varchar(512), followed_user_id varchar(512)
);
CREATE TABLE search_performed (
  id varchar(512) PRIMARY KEY, received_at timestamptz, "timestamp" timestamptz, anonymous_id varchar(512),
  user_id varchar(512), event varchar(512), event_text varchar(512), query varchar(512)
);
