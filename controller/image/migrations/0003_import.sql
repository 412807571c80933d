-- Data that was staged and waits to be imported.
CREATE TABLE IF NOT EXISTS staged_images (
	image_id      CHAR(36)  NOT NULL PRIMARY KEY,
	size          BIGINT    NOT NULL,
	virtual_size  BIGINT    NOT NULL,
	checksum      CHAR(32)  NOT NULL,
	os_hash_value CHAR(128) NOT NULL,
	FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE
);
-- What imports did; kept for two days.
CREATE TABLE IF NOT EXISTS image_tasks (
	id         CHAR(36)    NOT NULL PRIMARY KEY,
	type       VARCHAR(32) NOT NULL,
	status     VARCHAR(16) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id    VARCHAR(64) NOT NULL,
	request_id VARCHAR(64) NOT NULL,
	image_id   CHAR(36)    NOT NULL,
	input      MEDIUMTEXT  NOT NULL,
	result     MEDIUMTEXT  NOT NULL,
	message    TEXT        NOT NULL,
	created_at DATETIME(6) NOT NULL,
	updated_at DATETIME(6) NOT NULL,
	expires_at DATETIME(6) NOT NULL,
	KEY (image_id),
	KEY (expires_at)
);
