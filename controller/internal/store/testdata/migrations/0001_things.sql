CREATE TABLE things (
	id     BIGINT       NOT NULL PRIMARY KEY,
	name   VARCHAR(255) NOT NULL,
	rank   INT          NULL,
	meta   TEXT         NULL,
	status VARCHAR(64)  NOT NULL,
	at     DATETIME(6)  NOT NULL
);
