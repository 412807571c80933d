-- blob and secret are sealed (see the type secrets).
CREATE TABLE credentials (
	id         VARCHAR(64)  NOT NULL PRIMARY KEY,
	user_id    VARCHAR(64)  NOT NULL,
	project_id VARCHAR(64)  NULL,
	type       VARCHAR(255) NOT NULL,
	blob_sealed MEDIUMTEXT  NOT NULL,
	KEY (user_id),
	FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
	FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
);
CREATE TABLE consumers (
	id            VARCHAR(64) NOT NULL PRIMARY KEY,
	description   TEXT        NULL,
	secret_sealed TEXT        NOT NULL
);
CREATE TABLE policies (
	id        VARCHAR(64)  NOT NULL PRIMARY KEY,
	type      VARCHAR(255) NOT NULL,
	blob_text MEDIUMTEXT   NOT NULL
);
CREATE TABLE domain_configs (
	domain_id     VARCHAR(64) NOT NULL PRIMARY KEY,
	config_sealed MEDIUMTEXT  NOT NULL,
	FOREIGN KEY (domain_id) REFERENCES domains (id) ON DELETE CASCADE
);
