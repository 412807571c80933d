CREATE TABLE trusts (
	id                   VARCHAR(64) NOT NULL PRIMARY KEY,
	trustor_user_id      VARCHAR(64) NOT NULL,
	trustee_user_id      VARCHAR(64) NOT NULL,
	project_id           VARCHAR(64) NOT NULL,
	impersonation        BOOLEAN     NOT NULL,
	expires_at           DATETIME(6) NULL,
	remaining_uses       BIGINT      NULL,
	roles                TEXT        NOT NULL,
	redelegated_trust_id VARCHAR(64) NULL,
	redelegation_count   INT         NOT NULL,
	created_at           DATETIME(6) NOT NULL,
	FOREIGN KEY (trustor_user_id) REFERENCES users (id) ON DELETE CASCADE,
	FOREIGN KEY (trustee_user_id) REFERENCES users (id) ON DELETE CASCADE,
	FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE,
	FOREIGN KEY (redelegated_trust_id) REFERENCES trusts (id) ON DELETE CASCADE
);
