"""Why a rollout failed, in a sentence, and what to do about it.

gather    AWS → Evidence      fetched while it still exists; each part survives the failure of another
evidence  plain data          what AWS and the program have said
causes    Evidence → Finding  by family; the precise ones first
verdict   Evidence → Verdict  sentence, advice and evidence as one screen, or as JSON
fatal     Evidence → why not to wait any longer, or None
outside   texts of others     harmless, without secrets, cut
"""
