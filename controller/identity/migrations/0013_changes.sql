-- What each revision of the tables changed, written in the transaction that
-- changes it: whoever keeps the tables in memory reads these rows again. An
-- empty kind is everything. Old revisions are deleted; who has missed one
-- reads everything.
CREATE TABLE changes (
	revision BIGINT       NOT NULL,
	seq      INT          NOT NULL,
	kind     VARCHAR(32)  NOT NULL,
	id       VARCHAR(300) NOT NULL,
	gone     BOOLEAN      NOT NULL,
	PRIMARY KEY (revision, seq)
);
