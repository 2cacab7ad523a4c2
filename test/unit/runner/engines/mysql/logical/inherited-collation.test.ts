import { describe, expect, it } from 'vitest';
import { withoutInheritedCollations } from '../../../../../../runner/engines/mysql/logical/inherited-collation.ts';

describe('a definition of MySQL', () => {
  it('is made again without the collations that its columns have from the table, and is shown as before', () => {
    const shown = [
      'CREATE TABLE `a-b` (',
      '  `v` varchar(9) COLLATE latin1_bin DEFAULT NULL,',
      '  `own` char(9) CHARACTER SET sjis COLLATE sjis_bin DEFAULT NULL,',
      "  `s` set('x','it''s (\\\\)','z') COLLATE latin1_bin NOT NULL COMMENT 'a COLLATE latin1_bin',",
      '  `odd``name ü` mediumtext COLLATE latin1_bin,',
      '  `n` int DEFAULT NULL,',
      '  `made` varchar(9) COLLATE latin1_bin GENERATED ALWAYS AS ((`v` collate latin1_general_ci)) VIRTUAL,',
      "  KEY `k` (`v`) COMMENT '  `v` text COLLATE x'",
      ') ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_bin',
    ];
    const made = withoutInheritedCollations(shown.join('\n')).split('\n');
    expect(made).toEqual([
      'CREATE TABLE `a-b` (',
      '  `v` varchar(9) DEFAULT NULL,',
      '  `own` char(9) CHARACTER SET sjis COLLATE sjis_bin DEFAULT NULL,',
      "  `s` set('x','it''s (\\\\)','z') NOT NULL COMMENT 'a COLLATE latin1_bin',",
      '  `odd``name ü` mediumtext,',
      '  `n` int DEFAULT NULL,',
      '  `made` varchar(9) GENERATED ALWAYS AS ((`v` collate latin1_general_ci)) VIRTUAL,',
      "  KEY `k` (`v`) COMMENT '  `v` text COLLATE x'",
      ') ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_bin',
    ]);
  });
});
