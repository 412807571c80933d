CREATE TABLE networks (
  id                    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seq                   BIGINT NOT NULL AUTO_INCREMENT UNIQUE,
  project_id            VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name                  VARCHAR(255) NOT NULL,
  description           VARCHAR(255) NOT NULL,
  admin_state_up        BOOLEAN NOT NULL,
  mtu                   INT NOT NULL,
  vlan                  INT NOT NULL UNIQUE,
  port_security_enabled BOOLEAN NOT NULL,
  revision_number       INT NOT NULL DEFAULT 1,
  created_at            DATETIME(6) NOT NULL,
  updated_at            DATETIME(6) NOT NULL,
  KEY project (project_id)
);

CREATE TABLE subnets (
  id               CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seq              BIGINT NOT NULL AUTO_INCREMENT UNIQUE,
  project_id       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  network_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name             VARCHAR(255) NOT NULL,
  description      VARCHAR(255) NOT NULL,
  cidr             VARCHAR(64) NOT NULL,
  gateway_ip       VARCHAR(64) NULL,
  enable_dhcp      BOOLEAN NOT NULL,
  dns_nameservers  TEXT NOT NULL,
  allocation_pools TEXT NOT NULL,
  host_routes      TEXT NOT NULL,
  revision_number  INT NOT NULL DEFAULT 0,
  created_at       DATETIME(6) NOT NULL,
  updated_at       DATETIME(6) NOT NULL,
  KEY project (project_id),
  CONSTRAINT subnet_network FOREIGN KEY (network_id) REFERENCES networks (id)
);

CREATE TABLE ports (
  id                    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seq                   BIGINT NOT NULL AUTO_INCREMENT UNIQUE,
  project_id            VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  network_id            CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name                  VARCHAR(255) NOT NULL,
  description           VARCHAR(255) NOT NULL,
  admin_state_up        BOOLEAN NOT NULL,
  mac_address           CHAR(17) NOT NULL,
  device_id             VARCHAR(255) NOT NULL DEFAULT '',
  device_owner          VARCHAR(255) NOT NULL DEFAULT '',
  device_name           VARCHAR(63) NOT NULL DEFAULT '',
  position              INT NOT NULL DEFAULT 0,
  made_for_server       BOOLEAN NOT NULL DEFAULT FALSE,
  host_id               VARCHAR(255) NOT NULL DEFAULT '',
  status                VARCHAR(16) NOT NULL DEFAULT 'DOWN',
  port_security_enabled BOOLEAN NOT NULL,
  revision_number       INT NOT NULL DEFAULT 1,
  created_at            DATETIME(6) NOT NULL,
  updated_at            DATETIME(6) NOT NULL,
  KEY project (project_id),
  KEY device (device_id),
  UNIQUE KEY mac (network_id, mac_address),
  CONSTRAINT port_network FOREIGN KEY (network_id) REFERENCES networks (id)
);

CREATE TABLE allocations (
  subnet_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  address   VARCHAR(64) NOT NULL,
  port_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  position  INT NOT NULL DEFAULT 0,
  PRIMARY KEY (subnet_id, address),
  KEY port (port_id),
  CONSTRAINT allocation_subnet FOREIGN KEY (subnet_id) REFERENCES subnets (id),
  CONSTRAINT allocation_port FOREIGN KEY (port_id) REFERENCES ports (id) ON DELETE CASCADE
);

CREATE TABLE security_groups (
  id              CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seq             BIGINT NOT NULL AUTO_INCREMENT UNIQUE,
  project_id      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name            VARCHAR(255) NOT NULL,
  description     VARCHAR(255) NOT NULL,
  revision_number INT NOT NULL DEFAULT 1,
  created_at      DATETIME(6) NOT NULL,
  updated_at      DATETIME(6) NOT NULL,
  KEY project (project_id)
);

CREATE TABLE default_groups (
  project_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  group_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
);

CREATE TABLE security_group_rules (
  id               CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seq              BIGINT NOT NULL AUTO_INCREMENT UNIQUE,
  project_id       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  group_id         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  direction        VARCHAR(8) NOT NULL,
  ethertype        VARCHAR(8) NOT NULL,
  protocol         VARCHAR(40) NULL,
  port_range_min   INT NULL,
  port_range_max   INT NULL,
  remote_ip_prefix VARCHAR(64) NULL,
  remote_group_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  description      VARCHAR(255) NOT NULL,
  created_at       DATETIME(6) NOT NULL,
  updated_at       DATETIME(6) NOT NULL,
  KEY project (project_id),
  CONSTRAINT rule_group FOREIGN KEY (group_id) REFERENCES security_groups (id) ON DELETE CASCADE,
  CONSTRAINT rule_remote FOREIGN KEY (remote_group_id) REFERENCES security_groups (id) ON DELETE CASCADE
);

CREATE TABLE port_groups (
  port_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  group_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (port_id, group_id),
  CONSTRAINT member_port FOREIGN KEY (port_id) REFERENCES ports (id) ON DELETE CASCADE,
  CONSTRAINT member_group FOREIGN KEY (group_id) REFERENCES security_groups (id)
);

CREATE TABLE locks (
  name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY
);

INSERT INTO locks (name) VALUES ('vlan');
