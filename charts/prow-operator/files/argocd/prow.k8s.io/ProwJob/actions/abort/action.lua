-- An abort can be asked for once and never be taken back.
if obj.spec.abort == nil then
  obj.spec.abort = {}
  obj.spec.abort.by = "argocd"
  obj.spec.abort.reason = "Aborted in Argo CD."
end
return obj
