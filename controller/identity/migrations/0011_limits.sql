-- What services may hold projects and domains to: a default for all, and what
-- differs for one.
CREATE TABLE registered_limits (
	id            VARCHAR(64)  NOT NULL PRIMARY KEY,
	service_id    VARCHAR(64)  NOT NULL,
	region_id     VARCHAR(255) NULL,
	region_key    VARCHAR(255) AS (COALESCE(region_id, '')) PERSISTENT,
	resource_name VARCHAR(255) NOT NULL,
	default_limit INT          NOT NULL,
	description   TEXT         NULL,
	UNIQUE KEY (service_id, region_key, resource_name),
	FOREIGN KEY (service_id) REFERENCES services (id) ON DELETE CASCADE,
	FOREIGN KEY (region_id) REFERENCES regions (id)
);
CREATE TABLE limits (
	id                  VARCHAR(64) NOT NULL PRIMARY KEY,
	registered_limit_id VARCHAR(64) NOT NULL,
	project_id          VARCHAR(64) NULL,
	domain_id           VARCHAR(64) NULL,
	holder              VARCHAR(64) AS (COALESCE(project_id, domain_id)) PERSISTENT,
	-- those of the registered limit, which keeps them while there are limits
	service_id          VARCHAR(64)  NOT NULL,
	region_id           VARCHAR(255) NULL,
	resource_name       VARCHAR(255) NOT NULL,
	resource_limit      INT          NOT NULL,
	description         TEXT         NULL,
	UNIQUE KEY (holder, registered_limit_id),
	FOREIGN KEY (registered_limit_id) REFERENCES registered_limits (id) ON DELETE CASCADE,
	FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE,
	FOREIGN KEY (domain_id) REFERENCES domains (id) ON DELETE CASCADE
);
