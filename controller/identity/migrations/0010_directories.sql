-- local_id: what a directory calls the user or group; NULL for ours. gone: not
-- there any more; the row keeps its roles, and its name is its id.
ALTER TABLE users
	ADD local_id VARCHAR(255) NULL,
	ADD gone BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE user_groups
	MODIFY name VARCHAR(255) NOT NULL,
	ADD local_id VARCHAR(255) NULL,
	ADD gone BOOLEAN NOT NULL DEFAULT FALSE;
