CREATE TABLE nodes (
  id            VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seq           BIGINT NOT NULL AUTO_INCREMENT UNIQUE,
  name          VARCHAR(255) NOT NULL UNIQUE,
  manifest      TEXT NOT NULL,
  heartbeat     TEXT NULL,
  registered_at DATETIME(6) NOT NULL,
  heard_at      DATETIME(6) NULL,
  updated_at    DATETIME(6) NOT NULL
);
