CREATE TABLE IF NOT EXISTS domains (
	id          VARCHAR(64)  NOT NULL PRIMARY KEY,
	name        VARCHAR(64)  NOT NULL UNIQUE,
	description TEXT         NOT NULL,
	enabled     BOOLEAN      NOT NULL
);
CREATE TABLE IF NOT EXISTS projects (
	id          VARCHAR(64)  NOT NULL PRIMARY KEY,
	domain_id   VARCHAR(64)  NOT NULL,
	parent_id   VARCHAR(64)  NOT NULL,
	name        VARCHAR(64)  NOT NULL,
	description TEXT         NOT NULL,
	enabled     BOOLEAN      NOT NULL,
	UNIQUE KEY (domain_id, name),
	FOREIGN KEY (domain_id) REFERENCES domains (id)
);
CREATE TABLE IF NOT EXISTS users (
	id                 VARCHAR(64)  NOT NULL PRIMARY KEY,
	domain_id          VARCHAR(64)  NOT NULL,
	name               VARCHAR(255) NOT NULL,
	password_hash      VARCHAR(255) NOT NULL,
	email              VARCHAR(255) NULL,
	description        TEXT         NOT NULL,
	default_project_id VARCHAR(64)  NULL,
	enabled            BOOLEAN      NOT NULL,
	-- tokens issued before this time are not valid any more
	valid_from         DATETIME(6)  NOT NULL,
	UNIQUE KEY (domain_id, name),
	FOREIGN KEY (domain_id) REFERENCES domains (id)
);
CREATE TABLE IF NOT EXISTS user_groups (
	id          VARCHAR(64)  NOT NULL PRIMARY KEY,
	domain_id   VARCHAR(64)  NOT NULL,
	name        VARCHAR(64)  NOT NULL,
	description TEXT         NOT NULL,
	UNIQUE KEY (domain_id, name),
	FOREIGN KEY (domain_id) REFERENCES domains (id)
);
CREATE TABLE IF NOT EXISTS group_members (
	group_id VARCHAR(64) NOT NULL,
	user_id  VARCHAR(64) NOT NULL,
	PRIMARY KEY (group_id, user_id),
	FOREIGN KEY (group_id) REFERENCES user_groups (id) ON DELETE CASCADE,
	FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS roles (
	id          VARCHAR(64)  NOT NULL PRIMARY KEY,
	name        VARCHAR(255) NOT NULL UNIQUE,
	description TEXT         NOT NULL
);
-- actor_kind: user, group; target_kind: project, domain, system (target_id "all").
CREATE TABLE IF NOT EXISTS assignments (
	actor_kind  VARCHAR(8)  NOT NULL,
	actor_id    VARCHAR(64) NOT NULL,
	target_kind VARCHAR(8)  NOT NULL,
	target_id   VARCHAR(64) NOT NULL,
	role_id     VARCHAR(64) NOT NULL,
	PRIMARY KEY (actor_kind, actor_id, target_kind, target_id, role_id),
	FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE
);
-- Tokens that were given back before they expired.
CREATE TABLE IF NOT EXISTS revocations (
	audit_id   CHAR(22)    NOT NULL PRIMARY KEY,
	expires_at DATETIME(6) NOT NULL
);
-- One row, counted up by every transaction that changes one of the tables
-- above: whoever keeps them in memory sees that it has to read them again.
CREATE TABLE IF NOT EXISTS revision (
	one TINYINT NOT NULL PRIMARY KEY,
	n   BIGINT  NOT NULL
);
INSERT IGNORE INTO revision (one, n) VALUES (1, 1);
