-- Definitions of metadata: what properties of images, flavors and volumes mean.
CREATE TABLE IF NOT EXISTS metadef_namespaces (
	namespace    VARCHAR(80)  NOT NULL PRIMARY KEY,
	project_id   VARCHAR(64)  NOT NULL,
	display_name VARCHAR(80)  NULL,
	description  VARCHAR(500) NULL,
	visibility   VARCHAR(16)  NOT NULL,
	protected    BOOLEAN      NOT NULL,
	created_at   DATETIME(6)  NOT NULL,
	updated_at   DATETIME(6)  NOT NULL
);
-- Objects, properties, tags and associations of a namespace; body is the rest of it, in JSON.
CREATE TABLE IF NOT EXISTS metadef_entries (
	id         CHAR(36)    NOT NULL PRIMARY KEY,
	namespace  VARCHAR(80) NOT NULL,
	kind       VARCHAR(16) NOT NULL,
	name       VARCHAR(80) NOT NULL,
	body       MEDIUMTEXT  NOT NULL,
	created_at DATETIME(6) NOT NULL,
	updated_at DATETIME(6) NOT NULL,
	UNIQUE KEY (namespace, kind, name),
	FOREIGN KEY (namespace) REFERENCES metadef_namespaces (namespace) ON DELETE CASCADE ON UPDATE CASCADE
);
-- What a namespace can be associated with.
CREATE TABLE IF NOT EXISTS metadef_resource_types (
	name       VARCHAR(80) NOT NULL PRIMARY KEY,
	created_at DATETIME(6) NOT NULL,
	updated_at DATETIME(6) NOT NULL
);
INSERT IGNORE INTO metadef_resource_types (name, created_at, updated_at) VALUES
	('OS::Cinder::Snapshot', NOW(6), NOW(6)),
	('OS::Cinder::Volume', NOW(6), NOW(6)),
	('OS::Glance::Image', NOW(6), NOW(6)),
	('OS::Nova::Aggregate', NOW(6), NOW(6)),
	('OS::Nova::Flavor', NOW(6), NOW(6)),
	('OS::Nova::Server', NOW(6), NOW(6)),
	('OS::Trove::Instance', NOW(6), NOW(6));
