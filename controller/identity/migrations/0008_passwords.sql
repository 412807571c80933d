-- When a password was set, until when it is good, and who logged in last when.
ALTER TABLE users
	ADD password_created_at DATETIME(6) NULL,
	ADD password_expires_at DATETIME(6) NULL,
	ADD last_active_at DATE NULL,
	ADD KEY password_expires (password_expires_at);
UPDATE users SET password_created_at = valid_from WHERE password_hash <> '';
-- Passwords of before, for the rule that they may not come again.
CREATE TABLE password_history (
	id            BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
	user_id       VARCHAR(64)  NOT NULL,
	password_hash VARCHAR(255) NOT NULL,
	KEY (user_id),
	FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
-- Log-ins that failed since the last one that did not. who: a user's id, or
-- one of the places that names of nobody share.
CREATE TABLE login_failures (
	who       VARCHAR(64) NOT NULL PRIMARY KEY,
	failures  INT         NOT NULL,
	failed_at DATETIME(6) NOT NULL
);
