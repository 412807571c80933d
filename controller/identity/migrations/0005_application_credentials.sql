-- roles and rules are JSON lists of ids; rules is null when all requests are
-- permitted.
CREATE TABLE application_credentials (
	id           VARCHAR(64)  NOT NULL PRIMARY KEY,
	user_id      VARCHAR(64)  NOT NULL,
	project_id   VARCHAR(64)  NOT NULL,
	name         VARCHAR(255) NOT NULL,
	description  TEXT         NOT NULL,
	secret_hash  VARCHAR(255) NOT NULL,
	expires_at   DATETIME(6)  NULL,
	unrestricted BOOLEAN      NOT NULL,
	roles        TEXT         NOT NULL,
	rules        TEXT         NOT NULL,
	UNIQUE KEY (user_id, name),
	FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
	FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
);
CREATE TABLE access_rules (
	id      VARCHAR(64)  NOT NULL PRIMARY KEY,
	user_id VARCHAR(64)  NOT NULL,
	service VARCHAR(64)  NOT NULL,
	path    VARCHAR(128) NOT NULL,
	method  VARCHAR(16)  NOT NULL,
	UNIQUE KEY (user_id, service, path, method),
	FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
