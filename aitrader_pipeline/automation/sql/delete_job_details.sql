DELETE FROM job_details USING told_jobs AS t WHERE job_details.job_id = t.job_id
