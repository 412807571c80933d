CREATE TABLE stones (
	id         CHAR(36)     NOT NULL PRIMARY KEY,
	name       VARCHAR(255) NOT NULL,
	project_id VARCHAR(64)  NOT NULL,
	weight     INT          NOT NULL,
	shape      VARCHAR(16)  NOT NULL,
	under      CHAR(36)     NULL,
	marks      TEXT         NULL,
	status     VARCHAR(16)  NOT NULL,
	depth      INT          NOT NULL,
	shelf      VARCHAR(64)  NOT NULL,
	created_at DATETIME(6)  NOT NULL
);
