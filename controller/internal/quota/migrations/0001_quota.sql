-- Limits that differ from the defaults.
CREATE TABLE IF NOT EXISTS quota_limits (
	project_id VARCHAR(64) NOT NULL,
	name       VARCHAR(64) NOT NULL,
	hard_limit BIGINT      NOT NULL,
	PRIMARY KEY (project_id, name)
);
-- What projects use, reservations of transactions under way included.
CREATE TABLE IF NOT EXISTS quota_usage (
	project_id VARCHAR(64) NOT NULL,
	name       VARCHAR(64) NOT NULL,
	in_use     BIGINT      NOT NULL,
	PRIMARY KEY (project_id, name)
);
