DELETE FROM coverage;
