CREATE TABLE IF NOT EXISTS images (
	id               CHAR(36)     NOT NULL PRIMARY KEY,
	name             VARCHAR(255) NULL,
	project_id       VARCHAR(64)  NOT NULL,
	status           VARCHAR(16)  NOT NULL,
	visibility       VARCHAR(16)  NOT NULL,
	disk_format      VARCHAR(16)  NULL,
	container_format VARCHAR(16)  NULL,
	size             BIGINT       NULL,
	virtual_size     BIGINT       NULL,
	checksum         CHAR(32)     NULL,
	os_hash_algo     VARCHAR(16)  NULL,
	os_hash_value    CHAR(128)    NULL,
	protected        BOOLEAN      NOT NULL,
	os_hidden        BOOLEAN      NOT NULL,
	min_disk         INT          NOT NULL,
	min_ram          INT          NOT NULL,
	tags             TEXT         NOT NULL,
	properties       MEDIUMTEXT   NOT NULL,
	created_at       DATETIME(6)  NOT NULL,
	updated_at       DATETIME(6)  NOT NULL,
	KEY (project_id),
	KEY (created_at, id)
);
-- Projects that a shared image is shared with.
CREATE TABLE IF NOT EXISTS image_members (
	image_id   CHAR(36)    NOT NULL,
	member_id  VARCHAR(64) NOT NULL,
	status     VARCHAR(16) NOT NULL,
	created_at DATETIME(6) NOT NULL,
	updated_at DATETIME(6) NOT NULL,
	PRIMARY KEY (image_id, member_id),
	FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE
);
