-- The catalog. own: what this cloud serves itself; the url of such an endpoint
-- is a path at the host that the client uses.
CREATE TABLE regions (
	id               VARCHAR(255) NOT NULL PRIMARY KEY,
	description      TEXT         NOT NULL,
	parent_region_id VARCHAR(255) NULL,
	own              BOOLEAN      NOT NULL,
	FOREIGN KEY (parent_region_id) REFERENCES regions (id) ON DELETE CASCADE
);
CREATE TABLE services (
	id          VARCHAR(64)  NOT NULL PRIMARY KEY,
	type        VARCHAR(255) NOT NULL,
	name        VARCHAR(255) NOT NULL,
	description TEXT         NOT NULL,
	enabled     BOOLEAN      NOT NULL,
	own         BOOLEAN      NOT NULL
);
CREATE TABLE endpoints (
	id         VARCHAR(64)   NOT NULL PRIMARY KEY,
	service_id VARCHAR(64)   NOT NULL,
	interface  VARCHAR(8)    NOT NULL,
	region_id  VARCHAR(255)  NULL,
	url        VARCHAR(2048) NOT NULL,
	enabled    BOOLEAN       NOT NULL,
	own        BOOLEAN       NOT NULL,
	FOREIGN KEY (service_id) REFERENCES services (id) ON DELETE CASCADE,
	FOREIGN KEY (region_id) REFERENCES regions (id)
);
CREATE TABLE endpoint_groups (
	id          VARCHAR(64)  NOT NULL PRIMARY KEY,
	name        VARCHAR(255) NOT NULL,
	description TEXT         NOT NULL,
	filters     TEXT         NOT NULL
);
-- Projects that see a part of the catalog only. kind: endpoint, group.
CREATE TABLE catalog_parts (
	project_id VARCHAR(64) NOT NULL,
	kind       VARCHAR(8)  NOT NULL,
	part_id    VARCHAR(64) NOT NULL,
	PRIMARY KEY (project_id, kind, part_id),
	FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
);
