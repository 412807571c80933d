-- OAuth 1.0a: tokens by which a consumer asks a user, those by which it acts
-- for the user, and what was used once.
CREATE TABLE oauth_requests (
	id            VARCHAR(64) NOT NULL PRIMARY KEY,
	consumer_id   VARCHAR(64) NOT NULL,
	project_id    VARCHAR(64) NOT NULL,
	secret_sealed TEXT        NOT NULL,
	expires_at    DATETIME(6) NOT NULL,
	-- who agreed, to what; null and empty before
	user_id       VARCHAR(64) NULL,
	roles         TEXT        NOT NULL,
	verifier_hash VARCHAR(255) NOT NULL,
	FOREIGN KEY (consumer_id) REFERENCES consumers (id) ON DELETE CASCADE,
	FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE,
	FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE oauth_accesses (
	id            VARCHAR(64) NOT NULL PRIMARY KEY,
	consumer_id   VARCHAR(64) NOT NULL,
	user_id       VARCHAR(64) NOT NULL,
	project_id    VARCHAR(64) NOT NULL,
	secret_sealed TEXT        NOT NULL,
	expires_at    DATETIME(6) NOT NULL,
	roles         TEXT        NOT NULL,
	FOREIGN KEY (consumer_id) REFERENCES consumers (id) ON DELETE CASCADE,
	FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
	FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
);
CREATE TABLE oauth_nonces (
	id         CHAR(64)    NOT NULL PRIMARY KEY,
	expires_at DATETIME(6) NOT NULL,
	KEY (expires_at)
);
